"""Limits of the operating system, for tests of what happens when one is reached."""

import resource
from contextlib import contextmanager


@contextmanager
def file_size_limit(bytes_):
    """No file of this process grows beyond so many bytes: writing fails half-way, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
