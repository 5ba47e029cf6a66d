"""The network as C++ on a CPU: one call per frame, features in planes that never move.

`NativePagNet` has the interface of the network it is made of; `NativeSurfaces` adds the choice. Where that is not
possible (no compiler, an odd configuration) `NativeUnavailableError` says why, and the caller stays with torch. Data
flows: network -> `network` or `surfaces` (which convolution reads and writes what) -> `program` (buffers and operations
in memory) -> ``kernels.cpp``, ``rays.cpp`` and ``surfaces.cpp``, built and loaded by `library`.
"""

from __future__ import annotations

from pagnet_ros.runtime.native.library import Library, NativeUnavailableError, load_library
from pagnet_ros.runtime.native.network import NativePagNet
from pagnet_ros.runtime.native.surfaces import NativeSurfaces

__all__ = ["Library", "NativePagNet", "NativeSurfaces", "NativeUnavailableError", "load_library"]
