from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import load_weights
from pagnet_training.checkpoint import read_checkpoint, write_checkpoint
from pagnet_training.export import export
from pagnet_training.losses import patch_loss
from pagnet_training.module import see_brightness_only
from pagnet_training.recipe import load_recipe
from pagnet_training.train import _process_age_s, _workers_that_fit, interrupted, main, train
from tests.training.conftest import RECIPE, write_data

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore")


def run(recipe_path: Path, data_root: Path, folder: Path, **options: object) -> None:
    recipe = load_recipe(recipe_path)
    steps = options.pop("steps", recipe.steps)
    fixed = {"data_root": data_root, "progress": False, "accelerator": "cpu", "threads": 1}
    train(replace(recipe, steps=steps), folder, **fixed | options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run of the tiny recipe, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    run(folder / "tiny.yaml", write_data(folder / "data"), folder / "run")
    return folder / "run"


def test_a_run_cut_in_two_ends_bit_for_bit_like_one_in_one_go(
    recipe_path: Path, data_root: Path, tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = read_checkpoint(finished / "checkpoint.safetensors")
    for step in (1, 2):
        run(recipe_path, data_root, tmp_path / "slices", time_limit=0.0, resume=True)
        assert read_checkpoint(tmp_path / "slices" / "checkpoint.safetensors").step == step
    run(recipe_path, data_root, tmp_path / "slices", resume=True, progress=True)
    bar = capsys.readouterr().out
    assert "2/8" in bar
    assert "8/8" in bar
    assert "1/8" not in bar
    sliced = read_checkpoint(tmp_path / "slices" / "checkpoint.safetensors")
    assert whole.step == sliced.step == 8
    assert whole.tensors.keys() == sliced.tensors.keys()
    assert all(torch.equal(whole.tensors[name], sliced.tensors[name]) for name in whole.tensors)


def test_the_curves_of_a_resumed_run_go_on_where_they_ended(recipe_path: Path, data_root: Path, tmp_path: Path) -> None:
    for steps in (20, 60):
        run(recipe_path, data_root, tmp_path / "run", steps=steps, resume=True)
    curves = EventAccumulator(str(tmp_path / "run" / "curves"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("train/loss")] == [19, 39, 59]


def test_validation_journal_and_curves_are_written(finished: Path) -> None:
    lines = (finished / "validation.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8]
    assert all(0 < json.loads(line)["scene9"] < 50 for line in lines)
    assert list((finished / "curves").glob("events*"))


def test_training_lowers_the_loss(recipe_path: Path, data_root: Path, tmp_path: Path) -> None:
    run(recipe_path, data_root, tmp_path / "run", steps=120)
    scores = [json.loads(line)["scene9"] for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert scores[-1] < scores[0]


def test_a_second_run_in_the_same_folder_needs_resume(recipe_path: Path, data_root: Path, finished: Path) -> None:
    with pytest.raises(ConfigError, match="--resume"):
        run(recipe_path, data_root, finished)


def test_a_checkpoint_of_another_recipe_is_refused(recipe_path: Path, data_root: Path, finished: Path) -> None:
    recipe_path.write_text(recipe_path.read_text().replace("channels: 8", "channels: 6"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"another recipe \(channels: 8 then, 6 now\); use that recipe"):
        run(recipe_path, data_root, finished, resume=True)


def test_another_scale_starts_from_this_ones_weights(
    recipe_path: Path, data_root: Path, tmp_path: Path, finished: Path
) -> None:
    start = finished / "checkpoint.safetensors"
    other = replace(load_recipe(recipe_path), warm_start=str(start), steps=1)
    other = replace(
        other, model=replace(other.model, scale=4), patch=32, optimiser=replace(other.optimiser, rate=1e-12)
    )
    train(other, tmp_path / "other", data_root=data_root, progress=False, accelerator="cpu", threads=1)
    theirs = read_checkpoint(start).part("ema")
    ours = read_checkpoint(tmp_path / "other" / "checkpoint.safetensors").part("ema")
    last = "stages.1.refine_fused.smooth.weight"
    torch.testing.assert_close(ours[last], theirs["stages.0.refine_fused.smooth.weight"])
    torch.testing.assert_close(ours["head.weight"], theirs["head.weight"])


def test_a_run_starts_from_an_exported_file_too(
    recipe_path: Path, data_root: Path, tmp_path: Path, finished: Path
) -> None:
    target = tmp_path / "my-x2-clean.safetensors"
    export(finished / "checkpoint.safetensors", target)
    recipe = replace(load_recipe(recipe_path), warm_start=str(target), steps=1)
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, rate=1e-12))
    train(recipe, tmp_path / "again", data_root=data_root, progress=False, accelerator="cpu", threads=1)
    before = load_weights(target)[0].state_dict()
    after = read_checkpoint(tmp_path / "again" / "checkpoint.safetensors").part("net")
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in before)


def test_a_missing_warm_start_is_named(recipe_path: Path, data_root: Path, tmp_path: Path) -> None:
    recipe = replace(load_recipe(recipe_path), warm_start=str(tmp_path / "absent.safetensors"))
    with pytest.raises(ConfigError, match="absent"):
        train(recipe, tmp_path / "run", data_root=data_root, progress=False, accelerator="cpu")


def test_the_command_line_lists_what_is_missing(
    recipe_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([str(recipe_path), "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run"), "--quiet"])
    assert status == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_exported_weights_load_and_tell_their_recipe(data_root: Path, tmp_path: Path, finished: Path) -> None:
    target = tmp_path / "tiny.safetensors"
    export(
        finished / "checkpoint.safetensors",
        target,
        description="tiny",
        command="how",
        validation=data_root / "val",
    )
    net, header = load_weights(target)
    assert header.name == target.stem
    assert header.recipe["command"] == "how"
    assert header.recipe["steps_done"] == 8
    assert set(header.scores["middlebury_val"]) == {"float", "rounded"}
    assert net(torch.rand(1, 1, 6, 8), torch.zeros(1, 3, 12, 16)).shape == (1, 1, 12, 16)


def _command(recipe_path: Path, data_root: Path, folder: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m", "pagnet_training.train", str(recipe_path), "--data", str(data_root)]
    return [*start, "--out", str(folder), "--quiet", "--accelerator", "cpu", "--threads", "1", *more]


def _environment(package_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(package_path), "OMP_NUM_THREADS": "1"}


def test_kill_9_leaves_a_checkpoint_to_go_on_from(
    recipe_path: Path, data_root: Path, tmp_path: Path, package_path: Path
) -> None:
    folder = tmp_path / "run"
    endless = _command(recipe_path, data_root, folder, "--steps", "1000000")
    process = subprocess.Popen(endless, env=_environment(package_path), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    path = folder / "checkpoint.safetensors"
    while time.monotonic() < deadline and not (path.is_file() and read_checkpoint(path).step >= 3):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = read_checkpoint(path)
    step = left.step
    assert step >= 3
    left.recipe["model"]["log_sigma"] = False  # as 0.1.0 wrote it
    write_checkpoint(path, left)
    run(recipe_path, data_root, folder, steps=step + 2, resume=True)
    assert read_checkpoint(path).step == step + 2


@pytest.mark.slow
def test_two_processes_with_half_the_batch_compute_what_one_computes(
    recipe_path: Path, data_root: Path, tmp_path: Path, package_path: Path
) -> None:
    run(recipe_path, data_root, tmp_path / "one", steps=4)
    two = _command(recipe_path, data_root, tmp_path / "two", "--steps", "4", "--devices", "2")
    subprocess.run(two, env=_environment(package_path), check=True, timeout=110, capture_output=True)
    alone = read_checkpoint(tmp_path / "one" / "checkpoint.safetensors")
    shared = read_checkpoint(tmp_path / "two" / "checkpoint.safetensors")
    assert alone.step == shared.step == 4
    for name, tensor in alone.part("net").items():
        torch.testing.assert_close(shared.tensors[f"net.{name}"], tensor, atol=2e-5, rtol=1e-3)


def test_brightness_guidance_equals_a_grey_image(recipe_path: Path) -> None:
    net = PagNet(load_recipe(recipe_path).model)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    depth, rgb = torch.rand(1, 1, 6, 8), torch.rand(1, 3, 12, 16) - 0.5
    expected = net(depth, rgb.mean(dim=1, keepdim=True).expand_as(rgb))
    assert not torch.allclose(net(depth, rgb), expected, atol=1e-4)
    see_brightness_only(net)
    torch.testing.assert_close(net(depth, rgb), expected, atol=1e-5, rtol=1e-5)


def test_a_network_that_is_exported_blind_to_colour_is_validated_so(
    recipe_path: Path, data_root: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(recipe_path)
    learning = replace(recipe.optimiser, rate=0.02)
    recipe = replace(recipe, augmentation=replace(recipe.augmentation, grey=1.0), optimiser=learning)
    train(recipe, tmp_path / "run", data_root=data_root, progress=False, accelerator="cpu", threads=1)
    last = json.loads((tmp_path / "run" / "validation.jsonl").read_text().splitlines()[-1])
    target = tmp_path / "grey.safetensors"
    header = export(tmp_path / "run" / "checkpoint.safetensors", target, validation=data_root / "val")
    assert header.recipe["guided_by"] == "brightness"
    assert last["scene9"] == pytest.approx(header.scores["middlebury_val"]["float"]["scene9"], rel=1e-3)


def test_distillation_counts_the_chosen_share_against_the_teacher(recipe_path: Path) -> None:
    loss = load_recipe(recipe_path).loss
    truth, ours = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.25)
    batch = {"known": torch.ones_like(truth), "measured": torch.ones_like(truth), "truth": truth}
    batch |= {"span": torch.full((1, 1, 1, 1), 100.0)}

    def value(share: float, teacher: float) -> float:
        recipe = replace(loss, distillation=share, squared=0.0)
        return float(patch_loss(ours, batch, recipe, torch.full_like(truth, teacher)).value)

    assert value(0.0, 0.5) == pytest.approx(0.25 * 128)
    assert value(1.0, 0.5) == pytest.approx(0.25 * 128)
    assert value(1.0, 0.25) == 0.0
    assert value(0.5, 0.25) == pytest.approx(0.125 * 128)


def test_a_student_learns_from_a_teacher_of_its_scale_only(
    recipe_path: Path, data_root: Path, tmp_path: Path, finished: Path
) -> None:
    weights = tmp_path / "teacher.safetensors"
    export(finished / "checkpoint.safetensors", weights)
    recipe = load_recipe(recipe_path)
    student = replace(recipe, teacher=str(weights), loss=replace(recipe.loss, distillation=0.5))
    common = {"data_root": data_root, "progress": False, "accelerator": "cpu", "threads": 1}
    train(student, tmp_path / "student", **common)
    folders = (finished, tmp_path / "student")
    alone, taught = (read_checkpoint(folder / "checkpoint.safetensors") for folder in folders)
    assert taught.tensors.keys() == alone.tensors.keys()
    assert any(not torch.equal(taught.tensors[name], alone.tensors[name]) for name in taught.tensors)
    with pytest.raises(ConfigError, match="up-samples 2x, the recipe 4x"):
        train(replace(student, model=replace(student.model, scale=4)), tmp_path / "other", **common)


def test_throughput_and_waiting_are_in_the_journal(finished: Path) -> None:
    figures = json.loads((finished / "throughput.jsonl").read_text(encoding="utf-8"))
    assert figures["steps"] == 3
    assert figures["patches_per_s"] > 0
    assert 0 < figures["waiting_share"] < 1
    assert figures["matrix_share"] > 0
    assert figures["matrix_gflops"] > 0


def test_a_slices_minutes_count_from_the_programs_start_and_only_rendered_scenes_are_kept(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr(
        "pagnet_training.train.train", lambda recipe, folder, **options: given.update(options, r=recipe)
    )
    monkeypatch.setattr("pagnet_training.train._process_age_s", lambda: 90.0)
    text = recipe_path.read_text(encoding="utf-8").replace("path: pairs}", "path: pairs}, {kind: procedural}")
    recipe_path.write_text(text, encoding="utf-8")
    assert main([str(recipe_path), "--time-limit", "8", "--cache", str(tmp_path / "scenes"), "--steps", "3"]) == 0
    assert given["time_limit"] == 6.5
    assert given["r"].steps == 3
    assert [source.cache for source in given["r"].data.sources] == ["", str(tmp_path / "scenes")]


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="Linux tells when a process was started")
def test_a_process_knows_its_age() -> None:
    assert 0 < _process_age_s() < time.clock_gettime(time.CLOCK_BOOTTIME)


def test_no_more_workers_start_than_shared_memory_has_room_for(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert _workers_that_fit(14, 1000, tmp_path) == 14
    assert _workers_that_fit(14, free // 20, tmp_path) in (5, 6, 7)
    assert _workers_that_fit(14, free, tmp_path) == 0
    assert _workers_that_fit(14, free, tmp_path / "absent") == 14


@pytest.mark.skipif(os.name != "posix", reason="a bash script")
def test_a_slice_runs_from_the_source_tree_and_goes_on(finished: Path, tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "train_slice.sh"
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "throughput.jsonl").unlink()  # as after a slice that ended before anything was measured
    command = [str(script), str(finished.parent / "tiny.yaml"), str(finished.parent / "data"), str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "5", "--accelerator", "cpu", "--steps", "10"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_checkpoint(tmp_path / "run" / "checkpoint.safetensors").step == 10
    assert subprocess.run([str(script)], capture_output=True, check=False).returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="a bash script")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "SCALE DATA OUT"), (["3", "data", "out"], "expected 2, 4, 8 or 16"), (["16", "data", "out"], "for 8 first")],
)
def test_training_the_papers_width_says_what_it_needs(arguments: list[str], said: str, tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "train_full.sh"
    done = subprocess.run([str(script), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_sigterm_ends_a_run_with_a_checkpoint_of_the_last_step(
    recipe_path: Path, data_root: Path, tmp_path: Path, package_path: Path
) -> None:
    folder = tmp_path / "run"
    text = recipe_path.read_text(encoding="utf-8").replace("steps: 8", "steps: 100000")
    recipe_path.write_text(text.replace("checkpoint_every: 1", "checkpoint_every: 100000"), encoding="utf-8")
    environ = os.environ | {"PYTHONPATH": str(package_path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        _command(recipe_path, data_root, folder), env=environ, stderr=subprocess.PIPE, text=True
    ) as run_:
        deadline = time.monotonic() + 100
        while not (folder / "validation.jsonl").is_file():
            assert run_.poll() is None, run_.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        run_.send_signal(signal.SIGTERM)
        said = run_.communicate(timeout=60)[1]
    assert run_.returncode == 128 + signal.SIGTERM
    assert "--resume" in said
    assert "Traceback" not in said
    reached = read_checkpoint(folder / "checkpoint.safetensors").step
    assert reached >= 4
    run(recipe_path, data_root, folder, resume=True, steps=reached + 2)
    assert read_checkpoint(folder / "checkpoint.safetensors").step == reached + 2


@pytest.mark.parametrize("training", [False, True])
def test_ctrl_c_ends_a_training_after_a_step_and_what_comes_before_at_once(
    training: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: sent.append(number))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, (lambda *_: None) if training else signal.SIG_DFL)
    try:
        interrupted()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert sent == [signal.SIGTERM if training else signal.SIGINT]
    assert capsys.readouterr().err == ("" if training else "stopped before the first step: nothing was trained\n")


def test_nothing_is_rendered_where_a_folder_is_missing(
    recipe_path: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe_path.read_text(encoding="utf-8")
    sources = "sources: [{kind: procedural}, {kind: middlebury, path: absent}, {kind: bag, path: lost}]"
    recipe_path.write_text(text.replace("sources: [{kind: middlebury, path: pairs}]", sources), encoding="utf-8")
    monkeypatch.setattr("pagnet_training.data.procedural.render_scenes", lambda *_: pytest.fail("rendered"))
    with pytest.raises(RecordingError) as caught:
        run(recipe_path, data_root, tmp_path / "run")
    assert "absent" in str(caught.value)
    assert "lost" in str(caught.value)
