"""Weights files: what is written comes back, and nothing but `WeightsError` comes out of a bad file."""

import json
import os
import struct
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from pagnet_ros.errors import ConfigError, WeightsError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import FORMAT_VERSION, WeightsHeader, load_weights, read_header, save_weights
from tests.builders import small_surfaces

CONFIG = ModelConfig(
    scale=2, channels=4, growth=2, convolutions=1, blocks=1, residual=True, mask_channel=True, feature_stride=2
)
HEADER = WeightsHeader(
    name="rt-x2-clean",
    config=CONFIG,
    description="a small one",
    recipe={"steps": 3, "command": "train"},
    commit="abc",
    seed=7,
    data=("one", "two"),
    scores={"rmse": {"2x": 0.5}},
)


def network(seed=0):
    torch.manual_seed(seed)
    model = PagNet(CONFIG)
    torch.nn.init.normal_(model.head.weight)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rt-x2-clean.safetensors"


@pytest.fixture
def saved(path):
    save_weights(path, network(), HEADER)
    return path


def rewrite(path, change_header=None, **change_tensors):
    """Save the file anew with another header text or with tensors changed, added, or (None) removed."""
    tensors = load_file(path) | change_tensors
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    values = json.loads(HEADER.to_json())
    text = change_header if isinstance(change_header, str) else json.dumps(values | (change_header or {}))
    save_file(tensors, path, metadata={"pagnet": text})


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_a_network_comes_back_bit_for_bit_in_the_stored_precision(path, dtype):
    model = network()
    save_weights(path, model, HEADER, dtype=dtype)
    loaded, header = load_weights(path)
    assert header == HEADER == read_header(path)
    assert loaded.config == CONFIG
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        assert torch.equal(loaded.state_dict()[name], tensor.to(dtype).float())


def test_a_loaded_network_computes_what_the_saved_one_did(path):
    model = network().eval()
    save_weights(path, model, HEADER, dtype=torch.float32)
    depth, rgb = torch.rand(1, 1, 6, 8), torch.rand(1, 3, 12, 16)
    with torch.no_grad():
        assert torch.equal(load_weights(path)[0](depth, rgb), model(depth, rgb))


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(saved):
    save_weights(saved, network(1), HEADER, dtype=torch.float32)
    assert torch.equal(load_weights(saved)[0].head.weight, network(1).head.weight)
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("at", ["save_file", "os.replace"])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_beside_it(saved, monkeypatch, at):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(f"pagnet_ros.model.weights.{at}", fail)
    with pytest.raises(WeightsError, match=r"rt-x2-clean.*No space left.*free space"):
        save_weights(saved, network(1), HEADER)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_folder_that_does_not_exist_is_named_when_saving(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere.*cannot be written"):
        save_weights(tmp_path / "nowhere" / "x.safetensors", network(), HEADER)


def test_a_header_of_another_network_is_refused_when_saving(path):
    with pytest.raises(WeightsError, match="header says"):
        save_weights(path, network(), WeightsHeader("x", replace(CONFIG, scale=4)))
    assert not path.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_weights_that_could_not_be_loaded_again_are_not_saved(path, value):
    model = network()
    with torch.no_grad():
        model.head.weight[0, 0, 0, 0] = value  # 1e6 is infinite in float16
    with pytest.raises(WeightsError, match=r"not finite.*head\.weight"):
        save_weights(path, model, HEADER)
    assert not path.exists()


def test_missing_unexpected_and_misshaped_tensors_are_listed_at_once(saved):
    rewrite(saved, **{"head.weight": torch.zeros(1), "head.bias": None, "surplus": torch.zeros(2)})
    with pytest.raises(WeightsError) as caught:
        load_weights(saved)
    for part in ("missing head.bias", "unexpected surplus", "head.weight is [1], expected [4, 4, 3, 3]", "zoo()"):
        assert part in str(caught.value)


def test_a_long_list_of_problems_is_cut(saved):
    rewrite(saved, **{f"surplus{i}": torch.zeros(1) for i in range(40)})
    with pytest.raises(WeightsError, match="and 28 more"):
        load_weights(saved)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_tensors_that_are_no_floats_are_refused(saved, dtype):
    rewrite(saved, **{"head.bias": torch.zeros(4, dtype=dtype)})
    with pytest.raises(WeightsError, match=r"head\.bias is .*, expected a float"):
        load_weights(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(saved, value):
    rewrite(saved, **{"head.bias": torch.full((4,), value)})
    with pytest.raises(WeightsError, match=r"not finite: head\.bias"):
        load_weights(saved)


def test_a_foreign_safetensors_file_is_refused(path):
    save_file({"conv.weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="without a 'pagnet' header"):
        load_weights(path)


def test_a_header_that_asks_for_a_giant_network_allocates_none(saved, monkeypatch):
    giant = ModelConfig(scale=16, channels=256, growth=128, convolutions=8, blocks=8)
    rewrite(saved, {"config": giant.to_dict()})
    devices = set()
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda tensor, **_: devices.add(tensor.device.type))
    with pytest.raises(WeightsError, match="missing"):
        load_weights(saved)
    assert devices == {"meta"}


BAD_FILES = {
    "empty": b"",
    "short": b"\x01\x02",
    "garbage": bytes(range(256)) * 8,
    "pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    "zip": b"PK\x03\x04" + bytes(60),
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "header of 1 GB": struct.pack("<Q", 2**30) + b"{}",
    "header beyond the file": struct.pack("<Q", 5000) + b"{}",
    "header not JSON": struct.pack("<Q", 4) + b"{abc",
    "header a list": struct.pack("<Q", 2) + b"[]",
    "header not UTF-8": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    "metadata a number": struct.pack("<Q", 18) + b'{"__metadata__":5}',
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.parametrize("read", [load_weights, read_header])
def test_a_file_that_is_no_safetensors_file_is_refused_with_its_name(path, content, read):
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"rt-x2-clean\.safetensors"):
        read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError, match=r"rt-x2-clean\.safetensors"):
        load_weights(saved)


@pytest.mark.parametrize(
    ("name", "text"),
    [("", "folder"), ("absent", "missing"), ("a\0b", "missing"), ("a" * 5000, "cannot be read|missing")],
)
def test_a_path_that_is_no_file_is_named(tmp_path, name, text):
    with pytest.raises(WeightsError, match=text):
        load_weights(tmp_path / name)


def test_a_file_larger_than_any_of_ours_is_refused_unread(path, monkeypatch):
    path.write_bytes(bytes(2000))
    monkeypatch.setattr("pagnet_ros.model.weights.MAX_FILE_BYTES", 1000)
    with pytest.raises(WeightsError, match="2000 bytes, expected at most 1000"):
        read_header(path)


BAD_HEADERS = {
    "not JSON": ("{", "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "long number": ('{"seed": ' + "1" * 5000 + "}", "not JSON"),
    "a list": ("[1]", "JSON list"),
    "no version": ({"format_version": None}, "format version None"),
    "next version": ({"format_version": FORMAT_VERSION + 1}, f"version {FORMAT_VERSION + 1}, expected 1"),
    "version as text": ({"format_version": "1"}, "version '1', expected 1"),
    "unknown key": ({"sede": 1}, "unknown key 'sede'.*'seed'"),
    "name a number": ({"name": 5}, "name=5"),
    "config missing": ({"config": None}, "config=None"),
    "config unknown key": ({"config": {"chanels": 4}}, "unknown key 'chanels', did you mean 'channels'"),
    "config a float": ({"config": {"scale": 2.0}}, "scale=2.0"),
    "config a list": ({"config": {"feature_stride": [2]}}, "feature_stride"),
    "config odd": ({"config": {"channels": 5}}, "channels=5"),
    "normalisation": ({"normalisation": "log"}, "normalisation='log'"),
    "normalisation a list": ({"normalisation": []}, "normalisation="),
    "data a number": ({"data": 5}, "data=5"),
    "data a text": ({"data": "one"}, "data='one'"),
    "seed a text": ({"seed": "x"}, "seed='x'"),
    "variant a number": ({"variant": 3}, "variant=3"),
    "recipe a list": ({"recipe": []}, "recipe="),
    "scores a text": ({"scores": "good"}, "scores='good'"),
}


@pytest.mark.parametrize(("change", "text"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_header_is_refused_with_what_is_wrong(saved, change, text):
    rewrite(saved, change)
    with pytest.raises(WeightsError, match=text) as caught:
        load_weights(saved)
    assert str(saved) in str(caught.value)


def test_all_problems_of_a_header_are_listed_at_once():
    values = json.loads(HEADER.to_json()) | {"seed": "x", "data": 5, "sede": 1}
    with pytest.raises(ConfigError) as caught:
        WeightsHeader.from_json(json.dumps(values))
    assert all(part in str(caught.value) for part in ("seed='x'", "data=5", "unknown key 'sede'"))


def test_a_header_from_code_is_checked_too():
    with pytest.raises(ConfigError, match="normalisation='metres'"):
        WeightsHeader("x", CONFIG, normalisation="metres")


def test_networks_are_loaded_and_run_without_torch_s_compiler(tmp_path):
    code = (
        "import sys, numpy; from pagnet_ros import DepthUpsampler\n"
        "for path in sys.argv[1:]:\n"
        "    up = DepthUpsampler.from_file(path)\n"
        "    up(numpy.full((4, 6), 1000, 'uint16'), numpy.zeros((8, 12, 3), 'uint8'))\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    paths = [str(tmp_path / name) for name in ("one.safetensors", "other.safetensors")]
    for path, network in zip(paths, (PagNet(CONFIG), small_surfaces(2)), strict=True):
        save_weights(path, network, replace(HEADER, config=network.config))
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
