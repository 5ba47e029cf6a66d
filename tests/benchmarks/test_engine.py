"""The benchmark of the engine runs and prints what it promises (never how fast)."""

import json
import time
import weakref

import numpy as np
import pytest
import torch

from benchmarks import engine
from benchmarks.engine import cli, results, startup
from benchmarks.engine import measure as measuring
from benchmarks.engine.cases import frame, make_engine, network_named
from benchmarks.engine.measure import call, measure
from pagnet_ros.errors import DeviceError, DeviceFailureError, DeviceLostError, OutOfMemoryError, WeightsError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.runtime.engine import EngineOutput
from pagnet_training.machine import MachineRates, describe_machine
from pagnet_training.roofline import Need, need_of

CPU = ["--device", "cpu", "--threads", "1"]


@pytest.fixture
def small(monkeypatch):
    """A small frame, and a machine whose rates are not measured."""
    monkeypatch.setattr(cli, "size_named", lambda text: (128, 96))
    rates = MachineRates({"fp32": 100.0, "bf16": 200.0}, 10.0)
    monkeypatch.setattr(cli, "measure_machine", lambda device, precisions: rates)


def test_one_row_per_way_and_precision_with_accuracy_beside_time(tmp_path, capsys, small):
    target = tmp_path / "out.json"
    ways = ["--weights", "rt-x4-clean", "--ways", "native", "eager", "plain"]
    assert engine.main([*CPU, "--frames", "2", *ways, "--json", str(target)]) == 0
    written = json.loads(target.read_text())
    results = {(row["way"], row["precision"]): row for row in written["results"]}
    assert {("eager", "fp32"), ("eager", "bf16"), ("plain", "fp32")} <= set(results)
    assert ("plain", "bf16") not in results
    for (_, precision), row in results.items():
        assert 0 < row["p50"] <= row["p99"]
        assert row["gflop"] > 1.0
        assert row["rms_to_fp32_mm"] < (0.01 if precision == "fp32" else 20.0)
    assert written["machine"]["torch"] == torch.__version__
    assert set(written["machine"]) >= {"device", "commit", "matrix_gflops", "threads", "copy_gbs"}
    printed = capsys.readouterr().out
    assert "RMS" in printed
    assert "GFLOP" in printed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_onnx_file_runs_in_float32_and_with_half_precision_features(tmp_path, small):
    for needed in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(needed, reason=f"{needed} is not installed here (the onnx extra)")
    target = tmp_path / "out.json"
    arguments = [*CPU, "--frames", "1", "--weights", "rt-x4-clean", "--ways", "onnx"]
    assert engine.main([*arguments, "--precisions", "fp32", "bf16", "fp16", "--json", str(target)]) == 0
    rms_mm = {each["precision"]: each["rms_to_fp32_mm"] for each in json.loads(target.read_text())["results"]}
    assert set(rms_mm) == {"fp32", "fp16"}
    assert rms_mm["fp32"] < rms_mm["fp16"] < 1.0


def test_a_device_that_is_not_here_is_named(capsys):
    assert engine.main(["--device", "cuda:99"]) == 1
    assert "cuda:99" in capsys.readouterr().err


def test_a_way_that_is_unknown_is_named_with_those_known(capsys, small):
    assert engine.main([*CPU, "--ways", "graph"]) == 1
    assert "'graph' is not one of native, eager, plain, compiled, onnx" in capsys.readouterr().err


def test_nothing_to_measure_is_said(capsys, small):
    assert engine.main([*CPU, "--weights", "rt-x4", "--ways", "plain", "--precisions", "bf16"]) == 1
    assert "none of plain runs rt-x4 on cpu in bf16" in capsys.readouterr().err


def test_a_family_by_name_has_its_shape_and_a_head_that_says_something():
    network, header = network_named("full-x8")
    assert header.config == network.config == ModelConfig.full(8)
    assert network.head.weight.abs().max() > 0
    with pytest.raises(WeightsError, match="no shipped network"):
        network_named("quick-x4")


def test_plain_torch_and_the_engine_agree(small):
    images = frame((128, 96), 4)
    expected = call(make_engine("rt-x4", "eager", "fp32", "cpu"), images).depth
    ours = call(make_engine("rt-x4", "plain", "fp32", "cpu"), images).depth
    assert np.nanmax(np.abs(ours - expected)) < 1e-4
    with pytest.raises(DeviceError, match="plain does not run in bf16"):
        make_engine("rt-x4", "plain", "bf16", "cpu")


def test_operations_are_counted_from_the_shape_alone():
    config = ModelConfig(scale=2, channels=4, growth=2, convolutions=1, blocks=1)
    need, twice = need_of(config, (10, 12)), need_of(config, (20, 12))
    assert twice.gflop == pytest.approx(2 * need.gflop)


def test_the_roofline_is_operations_or_bytes_whatever_takes_longer():
    assert Need(10.0, 1000).roofline_ms(1000.0, 1.0, 2) == pytest.approx(10.0)
    assert Need(10.0, 10**7).roofline_ms(1000.0, 1.0, 2) == pytest.approx(20.0)


def test_a_machine_is_described():
    machine = describe_machine(torch.device("cpu"), 3)
    assert machine["threads"] == 3
    assert machine["device"]
    assert machine["cuda"] is None


def test_starting_up_is_timed_cold_and_warm(monkeypatch):
    monkeypatch.setattr(startup, "_FIRST_OUTPUT", "import os, sys; assert os.environ['PAGNET_CACHE'] and sys.argv[1:]")
    cold, warm = startup.measure_start_up("fast-x4-sensor", "cpu")
    assert cold > 0
    assert warm > 0
    monkeypatch.setattr(startup, "_FIRST_OUTPUT", "raise SystemExit('no such thing')")
    with pytest.raises(DeviceError, match="no such thing"):
        startup.measure_start_up("fast-x4-sensor", "cpu")


def test_a_row_that_fails_is_named_and_the_others_are_there(tmp_path, capsys, small, monkeypatch):
    built = results.make_engine
    errors = {
        "eager": OutOfMemoryError("cpu ran out of memory"),
        "compiled": ValueError("no compiler\nmore"),
        "plain": DeviceError("not offered"),
    }

    def make(name, way, precision, device, size=None):
        if way in errors:
            raise errors[way]
        return built("rt-x4", "eager", precision, device)

    monkeypatch.setattr(results, "make_engine", make)
    monkeypatch.setattr(results, "_reference", lambda name, images, plan: None)
    target = tmp_path / "out.json"
    arguments = [*CPU, "--weights", "rt-x4", "--precisions", "fp32", "--frames", "1", "--json", str(target)]
    assert engine.main([*arguments, "--ways", "native", *errors]) == 0
    written = json.loads(target.read_text())
    assert [(row["way"], row["rms_to_fp32_mm"]) for row in written["results"]] == [("native", None)]
    assert {failure["way"]: failure["reason"] for failure in written["failures"]} == {
        "eager": "OutOfMemoryError: cpu ran out of memory",
        "compiled": "ValueError: no compiler",
    }
    assert "no result for rt-x4 640x480 compiled fp32: ValueError: no compiler" in capsys.readouterr().out
    assert engine.main([*arguments, "--ways", "eager"]) == 1


def test_what_was_measured_before_the_end_is_kept(tmp_path, small, monkeypatch):
    def fail_later(names, size, plan):
        if size[0] == "1280x720":
            raise DeviceFailureError("cuda:0 failed")
        yield [], [results.Failure(names[0], size[0], "eager", "fp32", "none")]

    monkeypatch.setattr(cli, "measure_results", fail_later)
    target = tmp_path / "out.json"
    sizes = ["--sizes", "640x480", "1280x720"]
    assert engine.main([*CPU, "--weights", "rt-x4", *sizes, "--json", str(target)]) == 1
    assert [failure["size"] for failure in json.loads(target.read_text())["failures"]] == ["640x480"]


ROW = results.Result("rt-x4", "640x480", "eager", "fp32", 1.0, 2.0, 3.0, 1.5, 0.1, 9.0, None, 0.5, 0.4)


@pytest.mark.parametrize("error", [DeviceLostError("cuda:0 failed for good"), KeyboardInterrupt()], ids=["lost", "^C"])
def test_the_table_of_a_run_that_ends_early_is_printed(error, capsys, small, monkeypatch):
    def end(names, size, plan):
        yield [ROW], []
        raise error

    monkeypatch.setattr(cli, "measure_results", end)
    assert engine.main([*CPU, "--weights", "rt-x4"]) == int(isinstance(error, DeviceLostError))
    said = capsys.readouterr()
    assert "| rt-x4" in said.out
    assert "rt-x4 640x480 eager fp32: p50 2.00 ms" in said.err
    assert "cuda:0 failed for good" in said.err or "interrupted" in said.out


def test_a_start_up_that_fails_does_not_take_the_table_with_it(capsys, small, monkeypatch):
    def fail(*arguments):
        raise DeviceError("the process that was timed failed")

    monkeypatch.setattr(cli, "measure_results", lambda *arguments: iter([([ROW], [])]))
    monkeypatch.setattr(cli, "measure_start_up", fail)
    assert engine.main([*CPU, "--weights", "rt-x4", "--start-up"]) == 1
    said = capsys.readouterr()
    assert "| rt-x4" in said.out
    assert "the process that was timed failed" in said.err


def test_a_json_file_that_cannot_be_written_is_told_below_the_table(tmp_path, capsys, small, monkeypatch):
    monkeypatch.setattr(cli, "measure_results", lambda *arguments: iter([([ROW], []), ([ROW], [])]))
    (tmp_path / "file").write_text("no folder")
    target = tmp_path / "file" / "out.json"
    assert engine.main([*CPU, "--weights", "rt-x4", "--json", str(target)]) == 1
    printed = capsys.readouterr().out
    assert "| rt-x4" in printed
    assert printed.count("not written") == 1


def test_no_row_is_begun_after_the_time_limit_and_those_left_out_are_named():
    rates = MachineRates({"fp32": 100.0, "bf16": 200.0}, 10.0)
    plan = results.Plan(["eager"], ["fp32", "bf16"], torch.device("cpu"), 1, rates, until=time.monotonic() - 1)
    ((measured, failures),) = results.measure_results(["rt-x4"], ("640x480", (640, 480)), plan)
    assert measured == []
    assert [(each.way, each.precision, each.reason) for each in failures] == [
        ("eager", "fp32", "not begun within --time-limit"),
        ("eager", "bf16", "not begun within --time-limit"),
    ]


def test_a_device_that_is_lost_ends_the_results(monkeypatch, small):
    def lose(*arguments):
        raise DeviceLostError("cuda:0 failed; restart the process")

    monkeypatch.setattr(results, "_reference", lambda name, images, plan: None)
    monkeypatch.setattr(results, "make_engine", lose)
    plan = results.Plan(["eager"], ["fp32"], torch.device("cpu"), 1, MachineRates({"fp32": 100.0}, 10.0))
    with pytest.raises(DeviceLostError):
        list(results.measure_results(["rt-x4"], ("640x480", (128, 96)), plan))


def test_only_the_last_result_is_kept_while_times_are_taken(monkeypatch):
    seen = []

    def call_once(engine, images):
        out = EngineOutput(np.zeros((4, 4), np.float32), None, np.zeros((4, 4), np.uint8), {"network": len(seen)})
        seen.append(weakref.ref(out))
        return out

    monkeypatch.setattr(measuring, "call", call_once)
    taken = measure({"a": None}, None, 5)
    assert len(taken["a"].milliseconds) == 5
    assert [ref() is not None for ref in seen] == [False] * 6 + [True]
    assert taken["a"].output is seen[-1]()
