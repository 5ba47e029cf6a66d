"""The studies train and score: they need what training's tests need."""

from tests.training.conftest import data_root, package_path, recipe_path

__all__ = ["data_root", "package_path", "recipe_path"]
