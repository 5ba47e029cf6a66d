"""The benchmark of the layers beside the depth tells every case."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from benchmarks import layers


def test_it_tells_what_it_costs_with_and_without_a_subscriber(monkeypatch, capsys):
    monkeypatch.setattr(layers, "SIZE", (96, 128))
    assert layers.main(["--rounds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "fast-sensor" in lines[0]
    rows = {line.split("|")[1].strip(): [float(v) for v in line.split("|")[2:5]] for line in lines[4:]}
    assert list(rows) == ["nobody subscribes", "publish_contested: nan", "sigma, confidence, provenance"]
    assert min(min(row) for row in rows.values()) > 0
