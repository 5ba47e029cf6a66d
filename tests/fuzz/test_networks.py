"""Weights and ONNX files of any content become a network that works, or are refused with the file's name."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import PagnetError, WeightsError
from pagnet_ros.model.weights import HEADER_KEY, WeightsHeader, load_weights, save_weights
from pagnet_ros.pipeline import DepthUpsampler
from tests.fuzz.budget import examples
from tests.model.test_weights import CONFIG, HEADER, network, rewrite

MAX_TEXT = 3000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
flips = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6)
cuts = st.one_of(st.just(1.0), st.floats(0, 1))


def changed(content, places, cut):
    """A file with some bytes changed, cut off at a share of its length."""
    data = bytearray(content)
    for place, value in places:
        data[int(place * (len(data) - 1))] ^= value
    return bytes(data[: int(cut * len(data))])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rt-x2-clean.safetensors"


@examples(30)
@given(changes=st.dictionaries(st.sampled_from([*json.loads(HEADER.to_json())]), JSON, min_size=1, max_size=3))
def test_any_header_values_load_or_raise_weights_error(path, changes):
    save_weights(path, network(), HEADER)
    rewrite(path, changes)
    try:
        _, header = load_weights(path)
    except WeightsError:
        return
    assert WeightsHeader.from_json(header.to_json()) == header


@examples(30)
@given(changes=st.dictionaries(st.sampled_from([*CONFIG.to_dict()]), JSON, min_size=1, max_size=2))
def test_any_configuration_values_load_or_raise_weights_error(path, changes):
    save_weights(path, network(), HEADER)
    rewrite(path, {"config": CONFIG.to_dict() | changes})
    try:
        model, _ = load_weights(path)
    except WeightsError:
        return
    assert set(model.state_dict()) == set(network().state_dict())


@examples(60)
@given(places=flips, cut=cuts)
def test_any_changed_weights_load_or_raise_weights_error(path, places, cut):
    save_weights(path, network(), HEADER)
    path.write_bytes(changed(path.read_bytes(), places, cut))
    try:
        model, _ = load_weights(path)
    except WeightsError:
        return
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


@examples(30)
@given(content=st.binary(max_size=200), header=st.booleans())
def test_any_bytes_raise_weights_error(path, content, header):
    path.write_bytes(struct.pack("<Q", len(content)) + content if header else content)
    with pytest.raises(WeightsError):
        load_weights(path)


def onnx_file(*, header, names=("depth", "rgb", "valid"), kind="FLOAT", scale=2.0, rank=4, operator="Resize"):
    """The least graph that can be taken for a network: its depth enlarged."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed here (the onnx extra)")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here (the onnx extra)")
    make = onnx.helper
    dtype = getattr(onnx.TensorProto, kind)
    inputs = [make.make_tensor_value_info(name, dtype, [1] + [None] * (rank - 1)) for name in names]
    output = make.make_tensor_value_info("out", dtype, [None] * rank)
    if operator == "Resize":
        scales = make.make_tensor("scales", onnx.TensorProto.FLOAT, [rank], [1.0, 1.0, scale, scale][:rank])
        nodes = [make.make_node("Resize", [names[0], "", "scales"], ["out"], mode="nearest")]
    else:
        scales = None
        nodes = [make.make_node(operator, [names[0]] * (2 if operator == "Add" else 1), ["out"])]
    graph = make.make_graph(nodes, "net", inputs, [output], [scales] if scales else [])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    if header is not None:
        make.set_model_props(model, {HEADER_KEY: header})
    return model.SerializeToString()


def runs_or_is_refused(path):
    """The file as the node takes it: read, warmed up, and fed a frame."""
    try:
        upsampler = DepthUpsampler.from_weights(str(path), device="cpu")
        upsampler.warm_up((6, 8), (12, 16))
        result = upsampler(np.full((6, 8), 1500, np.uint16), np.zeros((12, 16, 3), np.uint8))
    except PagnetError as error:
        assert len(str(error)) < MAX_TEXT
        return
    assert result.depth.shape == (12, 16)


def test_the_least_graph_runs(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(header=HEADER.to_json()))
    upsampler = DepthUpsampler.from_weights(str(path), device="cpu")
    result = upsampler(np.full((6, 8), 1500, np.uint16), np.zeros((12, 16, 3), np.uint8))
    assert np.allclose(result.depth, 1.5, atol=1e-3)


@examples(100)
@given(places=flips, cut=cuts)
def test_any_changed_onnx_file_runs_or_is_refused(tmp_path, places, cut):
    path = tmp_path / "net.onnx"
    path.write_bytes(changed(onnx_file(header=HEADER.to_json()), places, cut))
    runs_or_is_refused(path)


@examples(60)
@given(
    header=st.one_of(st.just(HEADER.to_json()), st.none(), st.text(max_size=20), JSON.map(json.dumps)),
    kind=st.sampled_from(["FLOAT", "FLOAT", "FLOAT16", "DOUBLE", "INT64", "UINT8", "BOOL"]),
    names=st.sampled_from([("depth", "rgb", "valid"), ("depth", "rgb", "valid"), ("depth",), ("a", "b", "c")]),
    scale=st.sampled_from([1.0, 2.0, 2.0, 3.0, 0.5, 100.0]), rank=st.integers(2, 4),
    operator=st.sampled_from(["Resize", "Identity", "Log", "Add", "Shape", "Nonsense"]),
)  # fmt: skip
def test_any_graph_runs_or_is_refused(tmp_path, header, kind, names, scale, rank, operator):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(header=header, names=names, kind=kind, scale=scale, rank=rank, operator=operator))
    runs_or_is_refused(path)
