from __future__ import annotations

from pathlib import Path

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.zoo import zoo
from pagnet_training.recipe import OptimiserRecipe, load_recipe
from pagnet_training.recipe_file import read_yaml

FOLDER = Path(__file__).resolve().parents[2] / "training" / "recipes"
FAMILIES = ("rt", "mid", "full", "paper", "fast")
VARIANTS = [
    (family, scale, sensor)
    for family in FAMILIES
    for sensor, values in read_yaml(FOLDER / f"{family}.yaml", "recipe").get("sensors", {}).items()
    for scale in values.get("scales", {})
]


def test_every_recipe_is_of_a_family_or_of_ones_own_camera() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*FAMILIES, "my_camera"}
    assert len(VARIANTS) >= 25


@pytest.mark.parametrize(("family", "scale", "sensor"), VARIANTS)
def test_a_shipped_recipe_loads_and_names_its_scale(family: str, scale: int, sensor: str) -> None:
    recipe = load_recipe(FOLDER / f"{family}.yaml", scale, sensor)
    assert recipe.model.scale == scale
    assert recipe.name == f"{family}-x{scale}-{sensor}"
    assert not any("val" in source.path for source in recipe.data.sources)
    assert load_recipe(FOLDER / f"{family}_x{scale}_{sensor.replace('-', '_')}.yaml") == recipe
    assert load_recipe(FOLDER / f"{family}_{sensor.replace('-', '_')}.yaml", scale) == recipe


@pytest.mark.parametrize("name", sorted(zoo()))
def test_the_recipe_of_every_shipped_network_is_still_there(name: str) -> None:
    family, scale, sensor = name.split("-", 2)
    recipe = load_recipe(FOLDER / f"{family}.yaml", int(scale[1:]), sensor)
    now, then = recipe.model, zoo()[name].config
    assert (now.scale, now.channels, now.growth, now.blocks) == (then.scale, then.channels, then.growth, then.blocks)


def test_a_scale_that_a_recipe_does_not_name_takes_what_holds_for_all() -> None:
    recipe = load_recipe(FOLDER / "mid.yaml", 2, "kinect-paper")
    assert (recipe.model.scale, recipe.name) == (2, "mid-x2-kinect-paper")
    assert recipe.sensor == load_recipe(FOLDER / "mid.yaml", 4, "kinect-paper").sensor


def test_values_of_a_scale_lie_over_those_of_its_sensor_and_those_over_the_common_ones(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "name: odd\nmodel: {scale: 4, channels: 8}\noptimiser: {rate: 0.1, warmup: 1}\nseed: 1\n"
        "sensors:\n  near: {optimiser: {rate: 0.2}, seed: 2, scales: {2: {seed: 3}}}\n  far: {}\n"
    )
    common = load_recipe(path, sensor="far")
    assert (common.name, common.optimiser.rate, common.seed) == ("odd-x4-far", 0.1, 1)
    near = load_recipe(path)
    assert (near.name, near.optimiser.rate, near.optimiser.warmup, near.seed) == ("odd-x4-near", 0.2, 1, 2)
    half = load_recipe(path, 2)
    assert (half.name, half.model.scale, half.model.channels, half.seed) == ("odd-x2-near", 2, 8, 3)


def test_a_sensor_that_a_recipe_does_not_know_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'kinect-paper'"):
        load_recipe(FOLDER / "mid.yaml", 4, "kinekt-paper")
    with pytest.raises(ConfigError, match="no section `sensors`"):
        load_recipe(FOLDER / "my_camera.yaml", sensor="tof")


@pytest.mark.parametrize(
    "wrong", ["{near: 3}", "{near: {scales: 4}}", "{near: {scales: {4: x}}}", "{near: {scales: {3: {}}}}", "[1]", "{}"]
)
def test_sections_that_are_no_mappings_are_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"name: bad\nsensors: {wrong}\n")
    with pytest.raises(ConfigError, match="sensor"):
        load_recipe(path)


def test_an_unknown_key_of_a_variant_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\nsensors: {near: {augmentation: {holez: 1}}}\n")
    with pytest.raises(ConfigError, match="did you mean 'holes'"):
        load_recipe(path)


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
def test_paper_recipes_are_the_papers(scale: int) -> None:
    recipe = load_recipe(FOLDER / "paper.yaml", scale)
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


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("seed: -1", "seed=-1, expected 0 to"),
        ("optimiser: {ending: 1.5}", "optimiser.ending=1.5, expected 0 to 1"),
        ("optimiser: {floor: -0.1}", "optimiser.floor=-0.1, expected 0 to 1"),
        ("data: {sources: [{kind: procedural, seed: -1}]}", r"data.sources[0]: scenes=200, size=(384, 512), seed=-1"),
        ("data: {sources: [{kind: procedural, weight: .nan}]}", "data.sources[0]: weight=nan"),
        ("data: {sources: [{kind: bag, depth_unit_m: 2}]}", "data.sources[0].depth_unit_m=2.0, expected 1e-6 to 1"),
        ("data: {sources: [{kind: bag, leave_out: [a]}]}", "data.sources[0].leave_out=['a'] with kind='bag'"),
        ("data: {sources: [{kind: sintel, leave_out: a}]}", "data.sources[0].leave_out='a', expected a list"),
    ],
)
def test_one_problem_is_one_line(tmp_path: Path, wrong: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"{wrong}\n")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"recipe {path}: {says}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- 1\n", "name: [\n", "42", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("sensor: {profiles: [kinect_v1]}\naugmentation: {sensor: 1.0}", "profiles.0.='kinect_v1' counts no levels"),
        ("sensor: {profiles: [unknown]}\naugmentation: {sensor: 1.0}", "profiles.0.='unknown' counts no levels"),
        ("augmentation: {sensor: 0.5}", "expected both or neither"),
        ("sensor: {profiles: [kinect_paper]}", "expected both or neither"),
        ("sensor: {profiles: [kinekt]}\naugmentation: {sensor: 1.0}", "kinekt"),
    ],
)
def test_a_network_that_regresses_depth_learns_no_metric_sensor(recipe_path: Path, lines: str, says: str) -> None:
    recipe_path.write_text(recipe_path.read_text(encoding="utf-8") + lines + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_recipe(recipe_path)


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
