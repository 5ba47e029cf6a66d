from __future__ import annotations

from pathlib import Path

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_training.recipe import OptimiserRecipe, load_recipe

RECIPES = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipe_loads_and_names_its_scale(path: Path) -> None:
    recipe = load_recipe(path)
    assert f"x{recipe.model.scale}" in recipe.name
    assert path.stem.replace("_", "-") == recipe.name
    assert not any("val" in source.path for source in recipe.data.sources)


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
def test_paper_recipes_are_the_papers(scale: int) -> None:
    recipe = load_recipe(next(path for path in RECIPES if path.stem == f"paper_x{scale}"))
    assert recipe.model == ModelConfig.paper(scale)
    assert (recipe.optimiser.rate, recipe.optimiser.betas, recipe.batch, recipe.patch) == (1e-4, (0.9, 0.99), 8, 256)
    assert recipe.loss.absolute == recipe.loss.squared == 1.0


def test_every_problem_is_listed_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "bach: 8\npatch: fine\noptimiser: {rte: 0.1}\nmodel: {scale: 3}\n"
        "data: {sources: [{kind: middleburry, wait: 1}]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    message = str(caught.value)
    for expected in (
        "'bach', did you mean 'batch'",
        "patch='fine', expected int",
        "'optimiser.rte', did you mean 'rate'",
        "scale=3",
        "'data.sources[0].wait', did you mean 'weight'",
    ):
        assert expected in message, message


def test_values_out_of_range_are_listed_together(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "patch: 130\nbatch: 0\nprecision: fp8\nmodel: {scale: 4}\ndata: {sources: [{kind: sintle, style: attic}]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    for expected in ("patch=130", "batch=0", "precision='fp8'", "did you mean 'sintel'", "style='attic'"):
        assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["- 1\n", "name: [\n", "42", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_recipe(path)


def test_schedules_rise_hold_and_fall() -> None:
    ending = OptimiserRecipe(rate=1.0, warmup=10, schedule="linear-end", ending=0.5, floor=0.0)
    assert ending.rate_at(0, 100) == pytest.approx(0.1)
    assert ending.rate_at(49, 100) == 1.0
    assert ending.rate_at(75, 100) == pytest.approx(0.5)
    cosine = OptimiserRecipe(rate=1.0, warmup=0, schedule="cosine", floor=0.1)
    assert cosine.rate_at(0, 100) == 1.0
    assert cosine.rate_at(100, 100) == pytest.approx(0.1)


def test_distillation_needs_a_teacher_and_a_teacher_distillation(recipe_path: Path) -> None:
    text = recipe_path.read_text(encoding="utf-8")
    for extra in ("loss: {distillation: 0.5}", "teacher: some.safetensors"):
        recipe_path.write_text(f"{text}{extra}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="expected both or neither"):
            load_recipe(recipe_path)
