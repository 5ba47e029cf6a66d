"""How idle threads wait, for processes that share their CPU with others."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let OpenMP's idle threads sleep instead of spin, unless the user's environment says otherwise.

    Threads that spin while they wait make a CPU shared with other nodes many times slower (docs/benchmarks.md). OpenMP
    reads this once, when torch is imported: call it before that. Only executables do; a library leaves the environment
    of its process alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
