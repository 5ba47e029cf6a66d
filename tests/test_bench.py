"""The benchmark of the engine runs and prints what it promises (never how fast)."""

import json

import pytest

from pagnet_ros import bench
from pagnet_ros.zoo import zoo


@pytest.mark.skipif("rt-x4-sensor" not in zoo(), reason="the zoo does not hold rt-x4-sensor")
def test_one_row_per_precision_with_accuracy_beside_time(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(bench.SIZES, "640x480", (128, 96))
    assert bench.main(["--device", "cpu", "--threads", "1", "--frames", "2", "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    rows = {row["precision"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    assert set(rows) == {"fp32", "bf16"}
    assert rows["fp32"]["rms_to_fp32"] < 0.01  # mm; the first call may take other kernels than the later ones
    assert 0.0 < rows["bf16"]["rms_to_fp32"] < 20.0
    assert all(row["gflop"] > 1.0 and 0 < row["p50"] <= row["p99"] for row in rows.values())
    assert "RMS to fp32" in printed


def test_a_device_that_is_not_here_is_named(capsys):
    assert bench.main(["--device", "cuda:99"]) == 1
    assert "cuda:99" in capsys.readouterr().err
