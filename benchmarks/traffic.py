"""How many operations a frame is, and how much memory they read and write: what bounds it where each one is a kernel.

``python -m benchmarks.traffic``. A GPU runs a frame's operations one by one, each through its whole memory, as torch
does on a CPU without the C++ kernels; so they are counted there, in half precision. Caches can only spare some of it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.engine.cases import frame, make_engine, need_named, network_named, size_named
from benchmarks.engine.measure import call
from pagnet_training.command import Arguments, command_line

COLUMNS = ("network", "GFLOP", "operations", "GB read and written")


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations and their bytes, but for those that only look at memory in another way.

    Attributes:
        operations: how many.
        bytes: of all they read and write; what an expanded tensor repeats is read once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and count it where it makes something."""
        results = function(*args, **(kwargs or {}))
        read, written = (
            [each for each in tree_leaves(of) if isinstance(each, Tensor)] for of in ((args, kwargs), results)
        )
        memory = {each.untyped_storage().data_ptr() for each in read}
        is_in_place = function._schema.is_mutable
        if written and (is_in_place or any(each.untyped_storage().data_ptr() not in memory for each in written)):
            self.operations += 1
            self.bytes += sum(_bytes(each) for each in [*read, *written])
        return results


def _bytes(tensor: Tensor) -> int:
    count = tensor.element_size()
    for side, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= side if stride else 1
    return count


@command_line
def main(arguments: Arguments = None) -> None:
    """Print a Markdown table, a row per network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traffic", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["fast-x4-sensor", "rt-x4-clean", "bicubic-x4"])
    parser.add_argument("--size", default="640x480", help="of colour and output")
    parser.add_argument(
        "--gbs", nargs="*", type=float, default=[], help="rates of memory, GB/s: adds what they take, ms"
    )
    options = parser.parse_args(arguments)
    heads = [*COLUMNS, *(f"ms at {rate:g} GB/s" for rate in options.gbs)]
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for name in options.weights:
        images = frame(size_named(options.size), network_named(name)[0].scale)
        engine = make_engine(name, "eager", "bf16", "cpu")
        call(engine, images)
        with Traffic() as traffic:
            call(engine, images)
        gflop = need_named(name, (images[0].shape[0], images[0].shape[1])).gflop
        figures = [f"{gflop:.1f}", f"{traffic.operations}", f"{traffic.bytes / 1e9:.2f}"]
        figures += [f"{traffic.bytes / rate / 1e6:.1f}" for rate in options.gbs]
        sys.stdout.write(f"| {name} | {' | '.join(figures)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
