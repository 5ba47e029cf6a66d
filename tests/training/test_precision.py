"""Features in bfloat16, depth in float32; the same seen by torch.compile."""

from __future__ import annotations

import copy

import pytest
import torch

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_training.precision import keep_depth_in_float32

CONFIG = ModelConfig(
    scale=2, channels=8, growth=4, convolutions=1, blocks=1, residual=True, mask_channel=True, planar_gate=True
)


@pytest.fixture
def net() -> PagNet:
    torch.manual_seed(1)
    net = keep_depth_in_float32(PagNet(CONFIG))
    torch.nn.init.normal_(net.head.weight, std=0.1)
    return net


def patch() -> tuple[torch.Tensor, ...]:
    return torch.rand(2, 1, 16, 16), torch.rand(2, 3, 32, 32) - 0.5, torch.ones(2, 1, 16, 16)


def test_depth_enters_and_leaves_in_float32_while_features_are_bfloat16(net: PagNet) -> None:
    seen: dict[str, torch.dtype] = {}
    parts = {"enter": net.enter_depth, "head": net.head, "base": net.bicubic_up, "guidance": net.guidance.enter}
    for name, part in parts.items():
        part.register_forward_hook(lambda module, given, out, name=name: seen.update({name: out.dtype}))
    with torch.autocast("cpu", torch.bfloat16):
        assert net(*patch()).dtype == torch.float32
    assert seen == dict.fromkeys(("enter", "head", "base"), torch.float32) | {"guidance": torch.bfloat16}


def test_names_of_parameters_and_copies_stay_as_they_are(net: PagNet) -> None:
    plain = PagNet(CONFIG)
    assert net.state_dict().keys() == plain.state_dict().keys()
    given = patch()
    plain.load_state_dict(net.state_dict())
    assert torch.equal(net(*given), plain(*given))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(copy.deepcopy(net)(*given), net(*given))
        assert not torch.equal(plain(*given), net(*given))


def test_the_compiler_sees_one_graph_that_computes_the_same(net: PagNet) -> None:
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    given = patch()
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = net(*given), compiled(*given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
