"""The command line: files, table, gate, exit codes, and that nothing half done is left behind."""

import contextlib
import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.recordings.bags import Bag
from pagnet_ros.replay import cli
from pagnet_ros.replay.cli import BAD_INPUT, CANNOT_WRITE, FELL, FINE, INTERRUPTED, PARTLY_READ, main
from pagnet_ros.replay.write_bag import BagCopy
from tests.replay.bags import START_NS, cut_off, depth_mm, image, rgbd, write

QUICK = ["--weights", "identity", "--baselines", "nearest"]


@pytest.fixture
def bag(tmp_path):
    return write(tmp_path / "bag", rgbd(6))


def run(*words):
    return main([str(word) for word in words])


def test_a_replay_writes_report_json_and_csv(bag, tmp_path, capsys):
    assert run(bag, *QUICK, "--scale", "4", "--out", tmp_path / "out") == FINE
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.html",
        "results.json",
        "methods.csv",
        "frames.csv",
    }
    values = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [m["name"] for m in values["methods"]] == ["identity", "nearest"]
    with (tmp_path / "out" / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert rows[3]["method"] == "nearest"
    assert int(rows[3]["depth_stamp_ns"]) == START_NS + 10**8
    assert float(rows[3]["rmse_m"]) == 0.0
    printed = capsys.readouterr().out
    assert "6 frames against the recorded depth, made 4 times coarser" in printed
    assert "RMSE [mm]" in printed


def test_two_runs_write_the_same_json_but_for_times(bag, tmp_path):
    methods = ["--weights", "bicubic", "identity", "--baselines", "nearest", "guided"]
    texts = []
    for name in ("a", "b"):
        assert run(bag, *methods, "--scale", "4", "--json", "--csv", "--out", tmp_path / name) == FINE
        text = (tmp_path / name / "results.json").read_text()
        texts.append(text[: text.index('\n "timings"')])
    assert texts[0] == texts[1]
    for name in ("methods.csv", "frames.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_a_folder_nothing_is_written(bag, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert run(bag, *QUICK) == FINE
    assert sorted(tmp_path.rglob("*")) == before
    assert "against the measurement" in capsys.readouterr().out
    assert run(bag, *QUICK, "--write-bag", "--json") == BAD_INPUT
    assert "--json, --write-bag without --out" in capsys.readouterr().err


def test_only_the_files_asked_for_are_written(bag, tmp_path):
    assert run(bag, *QUICK, "--json", "--write-bag", "--out", tmp_path / "out") == FINE
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"results.json", "bag"}
    with Bag(tmp_path / "out" / "bag") as written:
        assert written.topics["/depth_hr"].count == 6


def test_what_the_report_needs_is_missed_before_anything_runs(bag, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(bag, *QUICK, "--out", tmp_path / "out") == BAD_INPUT
    assert "the report needs jinja2, which is not installed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(bag, *QUICK, "--json", "--out", tmp_path / "out") == FINE


def test_nothing_is_replaced_unless_forced(bag, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("precious")
    (out / "notes.txt").write_text("mine")
    assert run(bag, *QUICK, "--json", "--out", out) == CANNOT_WRITE
    assert "results.json is there already" in capsys.readouterr().err
    assert (out / "results.json").read_text() == "precious"
    assert run(bag, *QUICK, "--json", "--out", out, "--force") == FINE
    assert json.loads((out / "results.json").read_text())["format"] == 2
    assert {p.name for p in out.iterdir()} == {"results.json", "notes.txt"}


def test_a_full_disk_leaves_nothing_behind(bag, tmp_path, capsys, monkeypatch):
    written = []

    def full(self, message):
        written.append(message)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BagCopy, "on_message", full)
    before = sorted(tmp_path.rglob("*"))
    assert run(bag, *QUICK, "--write-bag", "--out", tmp_path / "deep" / "out") == CANNOT_WRITE
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files as Linux does")
def test_files_that_cannot_grow_leave_what_was_there(bag, tmp_path):
    out = tmp_path / "out"
    assert run(bag, *QUICK, "--csv", "--out", out) == FINE
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
        "from pagnet_ros.replay.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [str(bag), *QUICK, "--csv", "--write-bag", "--force", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.returncode == CANNOT_WRITE, done.stderr
    assert "File too large" in done.stderr
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_place_that_cannot_be_written_to_is_named(bag, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(bag, *QUICK, "--out", tmp_path / "file" / "out") == CANNOT_WRITE
    assert "cannot write there" in capsys.readouterr().err


def test_ctrl_c_leaves_nothing_behind(bag, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BagCopy, "on_frame", interrupted)
    before = sorted(tmp_path.rglob("*"))
    assert run(bag, *QUICK, "--write-bag", "--out", tmp_path / "out") == INTERRUPTED
    assert sorted(tmp_path.rglob("*")) == before
    assert "stopped" in capsys.readouterr().err


def test_a_bag_that_is_cut_off_is_evaluated_and_the_exit_code_tells(tmp_path, capsys):
    bag = cut_off(write(tmp_path / "bag", rgbd(60)))
    assert run(bag, *QUICK, "--out", tmp_path / "out", "--json") == PARTLY_READ
    assert "not readable: " in capsys.readouterr().err
    values = json.loads((tmp_path / "out" / "results.json").read_text())
    assert 20 < values["counts"]["evaluated"] < 60
    assert len(values["damage"]) == 1


def test_refused_frames_are_told_by_the_exit_code(tmp_path, capsys):
    messages = list(rgbd(4, info=False))
    messages[3] = ("/cam/depth", messages[3][1], image(depth_mm(1), START_NS + 10**8, step=9))
    assert run(write(tmp_path / "bag", messages), *QUICK) == PARTLY_READ
    assert "wrong step" in capsys.readouterr().out


def test_names_that_are_no_text_reach_report_and_tables_escaped(tmp_path, capsys):
    folder = tmp_path / os.fsdecode(b"fol\xffder")
    folder.mkdir()
    name = os.fsdecode(b"\xfe\x1b-")
    cv2.imwrite(str(tmp_path / "depth.png"), np.full((12, 16), 1500, np.uint16))
    cv2.imwrite(str(tmp_path / "color.png"), np.full((24, 32, 3), 90, np.uint8))
    for role in ("depth", "color"):
        (tmp_path / f"{role}.png").rename(folder / f"{name}{role}.png")
    assert run(folder, *QUICK, "--out", str(tmp_path / "out"), "--csv", "--html", "--json") == FINE
    with (tmp_path / "out" / "frames.csv").open(encoding="utf-8") as file:
        assert all(row["name"].isprintable() for row in csv.DictReader(file))
    assert "fol\\udcffder" in capsys.readouterr().out
    assert "fol\\udcffder" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--depth", "/cam/dept"], "did you mean /cam/depth"),
        (["--scale", "1"], "scale 1; expected a whole number from 2 to 16"),
        (["--scale", "4", "--reference", "/cam/depth"], "leave out one of the two"),
        (["--mode", "reference"], "the recording has none"),
        (["--weights", "rt-x4-claen"], "did you mean 'rt-x4-clean'"),
        (["--weights", "/nowhere/net.safetensors"], "net.safetensors"),
        (["--weights", "identity", "identity"], "came twice"),
        (["--baselines", "bicubc"], "did you mean 'bicubic'"),
        (["--weights", "--baselines", "none"], "neither networks nor baselines"),
        (["--option", "max_depth=6"], "did you mean 'max_depth_m'"),
        (["--option", "max_depth_m=far"], "max_depth_m = 'far'"),
        (["--metric", "voxel_m"], "expected NAME=VALUE"),
        (["--metric", "range_edges_m=[1, 0]"], "range_edges_m"),
        (["--metric", "voxel_m=["], "expected NAME=VALUE"),
        (["--baseline", "absent.json"], "absent.json cannot be read"),
        (["--max-regression", "2%"], "without --baseline"),
        (["--gate", "rmse_m"], "without --baseline"),
        (["--weights", "bicubic", "--device", "tpu"], "device 'tpu' is not here"),
        (["--every", "0", "--slop", "-1"], "every = 0 is out of range; expected 1 to 1e+06; slop_ms = -1.0 is out"),
    ],
)
def test_wrong_usage_says_what_was_expected(bag, capsys, words, says):
    defaults = [] if "--weights" in words else ["--weights", "identity"]
    assert run(bag, *defaults, *([] if "--baselines" in words else ["--baselines", "none"]), *words) == BAD_INPUT
    assert says in capsys.readouterr().err


def test_what_is_no_recording_is_bad_input(tmp_path, capsys):
    for path in (tmp_path / "absent", tmp_path):
        assert run(path, *QUICK) == BAD_INPUT
        assert str(path) in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([])


def test_the_gate_passes_the_same_and_names_what_fell(bag, tmp_path, capsys):
    old = tmp_path / "old"
    words = [bag, *QUICK, "--scale", "4"]
    assert run(*words, "--json", "--out", old) == FINE
    assert run(*words, "--baseline", old / "results.json", "--max-regression", "0") == FINE
    values = json.loads((old / "results.json").read_text())
    values["methods"][0]["metrics"]["coverage"] = 1.0
    values["methods"][0]["metrics"]["given_share"] = 1.0
    (old / "results.json").write_text(json.dumps(values))
    capsys.readouterr()
    assert run(*words, "--baseline", old, "--max-regression", "2%") == FELL
    assert "worse: identity: given_share 1 -> " in capsys.readouterr().out
    assert run(*words, "--baseline", old, "--gate", "rmse_m", "mae_m") == FINE
    assert run(bag, *QUICK, "--scale", "2", "--baseline", old) == BAD_INPUT
    assert "scale was 4, now 2" in capsys.readouterr().err


def test_a_fall_outweighs_damage(tmp_path):
    bag = write(tmp_path / "bag", rgbd(60))
    assert run(bag, *QUICK, "--json", "--out", tmp_path / "old") == FINE
    assert run(cut_off(bag), *QUICK, "--baseline", tmp_path / "old") == FELL  # fewer frames


def test_options_reach_pipeline_and_metrics(bag, tmp_path):
    changes = ["--option", "max_depth_m=1.5", "--option", "fill=none", "--metric", "range_edges_m=[0, 1, 2]"]
    assert run(bag, *QUICK, *changes, "--scale", "4", "--json", "--out", tmp_path / "out") == FINE
    settings = json.loads((tmp_path / "out" / "results.json").read_text())["settings"]
    assert settings["pipeline"]["max_depth_m"] == 1.5
    assert settings["pipeline"]["fill"] == "none"
    assert settings["metrics"]["range_edges_m"] == [0, 1, 2]


def test_progress_counts_to_the_number_of_frames(bag, monkeypatch):
    seen = []

    @contextlib.contextmanager
    def progress(expected, errors):
        seen.append(("of", expected))
        yield seen.append

    monkeypatch.setattr(cli, "_progress", progress)
    assert run(bag, *QUICK) == FINE
    assert seen == [("of", 6), 1, 2, 3, 4, 5, 6]


def test_the_help_lists_every_exit_code(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    for code in (FINE, FELL, BAD_INPUT, PARTLY_READ, CANNOT_WRITE, INTERRUPTED):
        assert f"\n  {code} " in told
