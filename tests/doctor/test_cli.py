"""The command line: options, exit codes, and a machine without ROS."""

import json
from dataclasses import replace

import pytest

from pagnet_ros.doctor import cli
from tests.diagnosis.healthy import changed, healthy

MACHINE = healthy().machine


@pytest.fixture
def seen(monkeypatch):
    """Give the command line what it would have seen; what it was asked for comes back."""
    asked = []

    def of(observation, machine=MACHINE):
        monkeypatch.setattr(cli, "look_at_machine", lambda: machine)

        def watch(options, _, words):
            asked.append((options, words))
            return observation

        monkeypatch.setattr(cli, "_watch", watch)
        return asked

    return of


def test_a_healthy_graph_exits_with_0(seen, capsys):
    asked = seen(healthy())
    assert cli.main(["--depth", "/d", "--seconds", "2", "--ros-args", "-r", "a:=b", "--", "--color", "/c"]) == 0
    options, words = asked[0]
    assert (options.depth, options.color, options.seconds) == ("/d", "/c", 2.0)
    assert "a:=b" in words
    assert "nothing found" in capsys.readouterr().out


def test_findings_exit_with_1(seen, capsys):
    seen(changed(nodes=("/a", "/a")))
    assert cli.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["name"] == "duplicate_node_names"


@pytest.mark.parametrize(
    "words", [["--seconds", "0"], ["--seconds", "soon"], ["--seconds", "nan"], ["--unknown"], ["topic"]]
)
def test_wrong_usage_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "doctor" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "soon", "nan", "1e9"])
def test_a_time_that_cannot_be_is_told_with_what_can(text, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--seconds", text])
    assert f"argument --seconds: '{text}'; expected 0.1 to 3600 seconds" in capsys.readouterr().err


def test_ctrl_c_exits_with_130(seen, monkeypatch):
    seen(healthy())

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_watch", interrupted)
    assert cli.main([]) == 130


def test_without_ros_the_machine_is_examined_all_the_same(monkeypatch, capsys):
    lacking = replace(MACHINE, ros_error="ModuleNotFoundError: No module named 'rclpy'", compiler="")
    monkeypatch.setattr(cli, "look_at_machine", lambda: lacking)
    assert cli.main(["--json"]) == 1
    names = [finding["name"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert names == ["no_ros", "no_compiler"]
