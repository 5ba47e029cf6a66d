"""Engines by rung of the ladder and scale: which network answers on which rung, loaded when first needed and kept.

`pagnet_ros.pipeline` asks for one engine per frame; no frame passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pagnet_ros.core.degradation import SMALLER_NETWORK, SMALLER_SIZE
from pagnet_ros.runtime.devices import unusable_gpu
from pagnet_ros.runtime.engine import Engine, Network, choose_device, choose_precision
from pagnet_ros.runtime.filter_engine import FALLBACKS, FilterEngine

__all__ = ["Loaders", "RungEngines"]

Loaders = Mapping[int, Callable[[], Network]]
"""By scale, what loads its network."""


class RungEngines:
    """The engines of one up-sampler, all on one device.

    Attributes:
        rungs: ways of up-sampling at hand, best first.
        device: where the networks run.
        gpu_problem: why ``auto`` took the CPU of a machine with an NVIDIA device, and the mend; empty where it did not.
    """

    def __init__(
        self, loaders: Loaders, smaller: Loaders, rungs: tuple[str, ...], device: str = "auto", precision: str = "auto"
    ) -> None:
        """Choose the device; nothing is loaded yet. Arguments as of `pagnet_ros.pipeline.DepthUpsampler`.

        Raises:
            DeviceError: no such device or precision.
        """
        self._loaders, self._smaller = dict(sorted(loaders.items())), dict(sorted(smaller.items()))
        self.rungs = (rungs[0], SMALLER_NETWORK, *rungs[1:]) if smaller else rungs
        self.device = choose_device(device)
        self.gpu_problem = unusable_gpu() if device == "auto" else ""
        choose_precision(precision, self.device)
        self._precision = precision
        self._engines: dict[tuple[str, int], Engine | FilterEngine] = {}

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales at hand, smallest first."""
        return tuple(self._loaders)

    @property
    def precision(self) -> str:
        """What the features are computed in: fp32, bf16 or fp16. A network from an ONNX file has its own."""
        engines = (engine for engine in self._engines.values() if isinstance(engine, Engine))
        return next((engine.precision for engine in engines), choose_precision(self._precision, self.device))

    @property
    def backend(self) -> str:
        """How the network runs, see `pagnet_ros.runtime.engine.Engine`; empty until it has run."""
        return next((engine.backend for engine in self._engines.values() if isinstance(engine, Engine)), "")

    @property
    def fallback_reason(self) -> str:
        """Why it does not run the fastest way there is; empty where it does."""
        return next((engine.fallback_reason for engine in self._engines.values() if isinstance(engine, Engine)), "")

    def scales_of(self, rung: str) -> tuple[int, ...]:
        """Scales at hand on one of `rungs`, smallest first: a smaller network need not be there for each."""
        return tuple(self._smaller) if self._kind(rung) == SMALLER_NETWORK else self.scales

    def get(self, rung: str, scale: int) -> Engine | FilterEngine:
        """What answers on one of `rungs` at one of its scales.

        Raises:
            WeightsError: its file cannot be read any more.
            DeviceError: the device cannot take it, or is out of memory.
        """
        kind = self._kind(rung)
        if (kind, scale) not in self._engines:
            self._engines[kind, scale] = self._make(kind, scale)
        return self._engines[kind, scale]

    def clear(self) -> None:
        """Give up every engine; the next `get` loads its network anew."""
        self._engines.clear()

    def _kind(self, rung: str) -> str:
        """The smaller size runs the smaller network if there is one."""
        if rung != SMALLER_SIZE:
            return rung
        return SMALLER_NETWORK if SMALLER_NETWORK in self.rungs else self.rungs[0]

    def _make(self, rung: str, scale: int) -> Engine | FilterEngine:
        if rung in FALLBACKS and rung != self.rungs[0]:
            return FilterEngine(FALLBACKS[rung])
        load = self._smaller[scale] if rung == SMALLER_NETWORK else self._loaders[scale]
        return Engine(load(), str(self.device), self._precision)
