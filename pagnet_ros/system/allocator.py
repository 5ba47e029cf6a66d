"""The C library's memory allocator, told to keep what it has: torch on a CPU frees and asks for the same images again.

By default glibc returns every large block to the kernel, which hands it back page by page, zeroed. Process-wide.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT_BYTES = 1 << 30
OLD_LIMIT_BYTES = 32 << 20  # an old glibc refuses a larger M_MMAP_THRESHOLD
VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory instead of giving it back to the kernel; what the user has set stays.

    Returns:
        Whether it was done: not on another C library than glibc, nor where the environment already says something.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) or mallopt(M_MMAP_THRESHOLD, OLD_LIMIT_BYTES)
    return bool(kept) and bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
