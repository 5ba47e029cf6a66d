"""The network as C++ computes what torch computes, and says why where it cannot."""

import ctypes
import gc
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import load_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.runtime.native import NativePagNet, NativeUnavailableError, library, load_library, program
from pagnet_ros.runtime.native.library import cache_folder
from pagnet_ros.runtime.native.program import Op

SMALL = ModelConfig(scale=4, channels=8, growth=4, convolutions=2, blocks=2, residual=True, mask_channel=True)


@pytest.fixture(params=[False, True], ids=["fp32", "bf16"])
def bf16(request, kernels):
    if request.param and not kernels.has_bf16:
        pytest.skip("this CPU has no bfloat16 instructions")
    return request.param


def network(config, seed=0):
    """Random weights, biases too, and a head that changes the base by about a tenth of the range."""
    torch.manual_seed(seed)
    net = PagNet(config).eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    nn.init.normal_(net.head.weight)
    depth, rgb, valid = images(config.scale, (12, 16))
    out = net.head(torch.randn(1, config.channels, 12, 16))
    net.head.weight.mul_(0.1 / out.std())
    base = net.bicubic_up(depth) if config.residual else 0.0
    net.head.weight.mul_(0.1 / (net(depth, rgb, valid) - base).std())
    return net


def images(scale, size, seed=1):
    random = torch.Generator().manual_seed(seed)
    depth = torch.rand(1, 1, *size, generator=random)
    rgb = torch.rand(1, 3, scale * size[0], scale * size[1], generator=random) - 0.5
    return depth, rgb, torch.rand(1, 1, *size, generator=random) > 0.2


def check_equal(net, native, inputs, bf16):
    expected, ours = net(*inputs), native(*inputs)
    assert ours.shape == expected.shape
    rms = float((ours - expected).square().mean().sqrt())
    assert rms < (0.03 * float(expected.std()) if bf16 else 1e-5), rms


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scale": 2},
        {"scale": 8, "feature_stride": 2},
        {"scale": 16, "feature_stride": 2},
        {"scale": 2, "feature_stride": 2},
        {"attention": False},
        {"residual": False},
        {"mask_channel": False},
        {"residual": False, "feature_stride": 2},
        {"planar_gate": True},
        {"progressive": False},
        {"progressive": False, "scale": 8, "feature_stride": 2},
        {"planar_gate": True, "back_projections": 1},
        {"back_projections": 2},
        {"channels": 6, "growth": 2, "blocks": 1, "convolutions": 1},
        {"channels": 26, "growth": 14, "convolutions": 3},
    ],
    ids=str,
)
def test_it_computes_what_torch_computes(kernels, bf16, changes):
    config = replace(SMALL, **changes)
    net = network(config)
    check_equal(net, NativePagNet(net, kernels, bf16=bf16), images(config.scale, (10, 14)), bf16)


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (7, 33), (4, 64), (40, 9)], ids=str)
def test_any_size_and_number_of_threads(kernels, bf16, size):
    net = network(replace(SMALL, feature_stride=2))
    native = NativePagNet(net, kernels, bf16=bf16)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        try:
            results.append(native(*images(4, size)).clone())
        finally:
            torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    check_equal(net, native, images(4, size), bf16)


def test_changing_sizes_leave_no_trace(kernels, bf16):
    net = network(SMALL)
    native = NativePagNet(net, kernels, bf16=bf16)
    inputs = images(4, (9, 13))
    first = native(*inputs).clone()
    for size in ((12, 16), (5, 5), (20, 30)):
        native(*images(4, size, seed=7))
    assert torch.equal(native(*inputs), first)
    other = native(*images(4, (9, 13), seed=9)).clone()
    assert not torch.equal(other, first)
    assert torch.equal(native(*inputs), first)


def test_memory_lives_as_long_as_what_points_into_it(kernels, bf16, monkeypatch):
    net = network(replace(SMALL, scale=8, feature_stride=2))
    expected = NativePagNet(net, kernels, bf16=bf16)(*images(8, (9, 13)))
    monkeypatch.setattr(program, "CHUNK_BYTES", 1)  # every map in memory of its own, as large networks have it
    native = NativePagNet(net, kernels, bf16=bf16)
    native(*images(8, (9, 13)))
    gc.collect()
    torch.full((1 << 20,), torch.nan)
    assert torch.equal(native(*images(8, (9, 13))), expected)


def test_without_a_validity_mask_all_is_measured(kernels):
    net = network(SMALL)
    depth, rgb, valid = images(4, (9, 13))
    native = NativePagNet(net, kernels, bf16=False)
    expected = native(depth, rgb, torch.ones_like(valid)).clone()
    assert torch.equal(native(depth, rgb), expected)


def test_bytes_of_any_layout_are_read_as_the_engine_would_centre_them(kernels, bf16):
    net = network(replace(SMALL, feature_stride=2))
    native = NativePagNet(net, kernels, bf16=bf16)
    depth, _, valid = images(4, (9, 13))
    rows = torch.randint(0, 256, (36, 52, 3), dtype=torch.uint8)
    expected = native(depth, rows.permute(2, 0, 1)[None].float() / 255 - 0.5, valid).clone()
    for given in (rows.permute(2, 0, 1), rows.permute(2, 0, 1).contiguous(), rows.flip(1).permute(2, 0, 1).flip(2)):
        assert torch.equal(native(depth, given[None], valid), expected)


@pytest.mark.parametrize("name", [name for name, header in zoo().items() if header.config.output == "depth"])
def test_every_shipped_network_runs(kernels, bf16, name):
    net, header = load_weights(zoo_path(name))
    scale = header.config.scale
    inputs = images(scale, (64 // scale, 80 // scale))
    with torch.inference_mode():
        expected = net(*inputs)
        change = float((expected - net.bicubic_up(inputs[0])).square().mean().sqrt())
        ours = NativePagNet(net, kernels, bf16=bf16)(*inputs)
    assert float((ours - expected).square().mean().sqrt()) < (0.02 * change if bf16 else 1e-6)


def test_what_it_cannot_run_is_said(kernels):
    odd = network(replace(SMALL, growth=3))
    assert NativePagNet(odd, kernels, bf16=False)(*images(4, (4, 4))).shape == (1, 1, 16, 16)
    if kernels.has_bf16:
        with pytest.raises(NativeUnavailableError, match="growth is 3, expected an even number"):
            NativePagNet(odd, kernels, bf16=True)
    with pytest.raises(ValueError, match=r"colour is \[3, 17, 16\], expected \[3, 16, 16\]"):
        NativePagNet(odd, kernels, bf16=False)(torch.rand(1, 1, 4, 4), torch.rand(1, 3, 17, 16))


def test_python_and_cpp_mean_the_same_operation(kernels):
    assert ctypes.sizeof(Op) == kernels.op_bytes


def test_blocks_of_channels_fill_up_and_keep_pairs_together(kernels):
    for channels in range(1, 200):
        blocks = []
        while sum(blocks) < channels:
            blocks.append(kernels.block_size(channels, sum(blocks)))
        assert sum(blocks) == channels
        assert all(block % 2 == 0 for block in blocks[:-1])
        assert 1 <= min(blocks) <= max(blocks) <= 12


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr(library.shutil, "which", lambda name: None)
    with pytest.raises(NativeUnavailableError, match=r"no C\+\+ compiler on PATH"):
        load_library()


def fake_compiler(tmp_path, body):
    path = tmp_path / "c++"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    path = fake_compiler(tmp_path, 'echo "kernels.cpp:1: error: no such thing" >&2; exit 1')
    monkeypatch.setattr(library.shutil, "which", lambda name: str(path))
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NativeUnavailableError, match="error: no such thing"):
        load_library()
    assert not list((tmp_path / "cache").iterdir())


def test_what_was_built_is_taken_again(monkeypatch, tmp_path, kernels):
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    load_library()
    (built,) = (tmp_path / "cache").iterdir()
    stamp = built.stat().st_mtime_ns
    assert built.stat().st_mode & 0o077 == 0
    load_library()
    assert built.stat().st_mtime_ns == stamp


@pytest.fixture
def built(monkeypatch, tmp_path, kernels):
    """A whole build in a cache of its own, a copy of the one that the kernels were loaded from."""
    compiler = next(found for name in library.COMPILERS if (found := library.shutil.which(name)))
    name = f"kernels-{library._fingerprint(compiler)}.so"
    whole = (library.cache_folder() / name).read_bytes()
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    copy = library.cache_folder() / name
    copy.write_bytes(whole)
    copy.chmod(0o700)
    monkeypatch.setattr(library, "_build", lambda *_: pytest.fail("a whole build was not taken"))
    load_library()
    return copy


HARM = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "empty": lambda path: path.write_bytes(b""),
    "a block lost": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(64) + path.read_bytes()[4160:]),
    "no checksum": lambda path: path.write_bytes(path.read_bytes()[: -library._SUM_BYTES]),
    "writable by others": lambda path: path.chmod(0o722),
    "a link": lambda path: (path.rename(path.with_suffix(".other")), path.symlink_to(path.with_suffix(".other"))),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "another user's": None,
}


@pytest.mark.parametrize("harm", HARM)
def test_a_cached_build_that_cannot_be_trusted_is_built_anew(monkeypatch, built, harm):
    if HARM[harm] is None:
        owner = built.stat().st_uid
        monkeypatch.setattr(library, "cache_folder", lambda: built.parent)
        monkeypatch.setattr(library.os, "getuid", lambda: owner + 1)
    else:
        HARM[harm](built)
    anew = []

    def build(compiler, target):
        anew.append(target)
        raise OSError("no room")

    monkeypatch.setattr(library, "_build", build)
    with pytest.raises(NativeUnavailableError, match=r"could not build the kernels \(no room"):
        load_library()
    assert anew == [built]


@pytest.mark.parametrize("harm", ["cut off", "empty"])
def test_a_file_that_is_cut_off_later_ends_no_process(built, harm):
    """Pages of a mapped file that are gone end a process with a bus error, at its exit if not before."""
    code = """if True:
        import sys
        from pagnet_ros.runtime.native import load_library
        kernels = load_library()
        print("loaded", flush=True)
        sys.stdin.readline()
        print(sum(kernels.block_size(channels, 0) for channels in range(1, 20)))
    """
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "loaded\n"
        HARM[harm](built)
        said, _ = process.communicate("go on\n", timeout=120)
    assert process.returncode == 0
    assert int(said) > 0


@pytest.mark.parametrize(
    "body", ["exec sleep 60", r"printf '\\377\\376'; exit 1", "kill -9 $$", ": > /dev/full; exit 3"]
)
def test_a_broken_compiler_never_costs_more_than_the_kernels(monkeypatch, tmp_path, body):
    path = fake_compiler(tmp_path, body)
    monkeypatch.setattr(library.shutil, "which", lambda name: str(path))
    monkeypatch.setattr(library, "VERSION_SECONDS", 0.5)
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NativeUnavailableError):
        load_library()


ENDS_WHILE_IT_COMPILES = """
import sys, threading, time
from pathlib import Path
from pagnet_ros.runtime.native import library

library.shutil.which = lambda name: sys.argv[1]
threading.Thread(target=library.load_library, daemon=True).start()
while not [*library.cache_folder().glob("build-*")]:
    time.sleep(0.01)
"""


def test_a_process_that_ends_while_it_compiles_leaves_nothing_half(tmp_path):
    path = fake_compiler(
        tmp_path, 'while [ "$1" != -o ]; do shift || exit 0; done; while [ -d "${2%/*}" ]; do sleep 0.1; done'
    )
    cache = tmp_path / "cache"
    command, environment = [sys.executable, "-c", ENDS_WHILE_IT_COMPILES, str(path)], {"PAGNET_CACHE": str(cache)}
    subprocess.run(command, check=True, timeout=120, env={**os.environ, **environment})
    assert [*cache.iterdir()] == []


def test_a_compiler_that_cannot_be_run_never_costs_more_than_the_kernels(monkeypatch, tmp_path):
    path = fake_compiler(tmp_path, "true")
    path.chmod(0o644)
    monkeypatch.setattr(library.shutil, "which", lambda name: str(path))
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NativeUnavailableError, match="could not build the kernels"):
        load_library()


def test_a_damaged_build_is_named(monkeypatch, tmp_path, kernels):
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "_build", lambda compiler, target: target.write_bytes(b"not a library"))
    with pytest.raises(NativeUnavailableError, match="does not load"):
        load_library()


def test_a_cache_that_others_can_write_to_is_not_used(monkeypatch, tmp_path, kernels):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("PAGNET_CACHE", str(folder))
    with pytest.raises(NativeUnavailableError, match="can be written by others"):
        load_library()


def test_depth_that_is_not_finite_spoils_no_later_frame(kernels, bf16):
    net = network(SMALL)
    native = NativePagNet(net, kernels, bf16=bf16)
    depth, rgb, valid = images(4, (9, 13))
    first = native(depth, rgb, valid).clone()
    native(torch.full_like(depth, np.nan), rgb, valid)
    assert torch.equal(native(depth, rgb, valid), first)


def test_without_a_home_the_cache_says_what_to_name(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    for name in ("PAGNET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NativeUnavailableError, match=r"Could not determine home.*name one in PAGNET_CACHE"):
        cache_folder()
