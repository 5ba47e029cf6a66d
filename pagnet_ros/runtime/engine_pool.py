"""Engines by quality level and scale: which network answers at which level, loaded when first needed and kept.

`pagnet_ros.pipeline` asks for one engine per frame; no frame passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pagnet_ros.core.degradation import BICUBIC
from pagnet_ros.model.network import Bicubic
from pagnet_ros.runtime.devices import choose_device, choose_precision, unusable_gpu
from pagnet_ros.runtime.engine import Engine, Network

Loaders = Mapping[int, Callable[[], Network]]
"""By scale, what loads its network."""


class EnginePool:
    """The engines of one up-sampler, all on one device.

    Attributes:
        levels: quality levels at hand, best first.
        device: where the networks run.
        gpu_problem: why ``auto`` took the CPU of a machine with an NVIDIA device, and the mend; empty where it did not.
    """

    def __init__(
        self, loaders: Loaders, levels: tuple[str, ...], device: str = "auto", precision: str = "auto"
    ) -> None:
        """Choose the device; nothing is loaded yet. Arguments as of `pagnet_ros.pipeline.DepthUpsampler`.

        Raises:
            DeviceError: no such device or precision.
        """
        self._loaders = dict(sorted(loaders.items()))
        self.levels = levels
        self.device = choose_device(device)
        self.gpu_problem = unusable_gpu() if device == "auto" else ""
        choose_precision(precision, self.device)
        self._precision = precision
        self._engines: dict[tuple[bool, int], Engine] = {}

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales at hand, smallest first."""
        return tuple(self._loaders)

    @property
    def precision(self) -> str:
        """What the features are computed in: fp32, bf16 or fp16. A network from an ONNX file has its own."""
        engine = self._network()
        return engine.precision if engine else choose_precision(self._precision, self.device)

    @property
    def backend(self) -> str:
        """How the network runs, see `pagnet_ros.runtime.engine.Engine`; empty until it has run."""
        return getattr(self._network(), "backend", "")

    @property
    def fallback_reason(self) -> str:
        """Why it does not run the fastest way there is; empty where it does."""
        return getattr(self._network(), "fallback_reason", "")

    def _network(self) -> Engine | None:
        """The first engine of a network, once there is one."""
        return next((engine for (bicubic, _), engine in self._engines.items() if not bicubic), None)

    def get(self, level: str, scale: int) -> Engine:
        """What answers at one of `levels`: the network, or below it bicubic on the CPU, which needs no other device.

        Raises:
            WeightsError: the network's file cannot be read any more.
            DeviceError: the device cannot take it, or is out of memory.
        """
        bicubic = level == BICUBIC and self.levels[0] != BICUBIC
        if (bicubic, scale) not in self._engines:
            network, device = (Bicubic(scale), "cpu") if bicubic else (self._loaders[scale](), str(self.device))
            self._engines[bicubic, scale] = Engine(network, device, "auto" if bicubic else self._precision)
        return self._engines[bicubic, scale]

    def clear(self) -> None:
        """Give up every engine; the next `get` loads its network anew."""
        self._engines.clear()
