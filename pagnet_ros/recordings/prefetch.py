"""Read ahead: an iterator run in its own thread, a bounded number of bytes in front of its consumer.

What the iterator raises is raised at the consumer, after everything that was read before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Iterate over what another thread reads.

    A context manager: leaving it ends the thread.
    """

    def __init__(self, source: Iterable[T], size: Callable[[T], int], max_bytes: int = 64 << 20) -> None:
        """Start reading.

        Args:
            source: What to read; iterated in another thread.
            size: Bytes of one item.
            max_bytes: Stop reading while more than this waits (one item may go beyond).
        """
        self._size = size
        self._max_bytes = max_bytes
        self._waiting: deque[T] = deque()
        self._bytes = 0
        self._end = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(source,), name="prefetch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def wait_filled(self, timeout_s: float) -> None:
        """Wait until a quarter of the buffer is full or all is read, but not longer than `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._end or self._bytes * 4 >= self._max_bytes, timeout_s)

    def __iter__(self) -> Iterator[T]:
        """Take items in order."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._end or self._stopped)
                if self._stopped:
                    return
                if not self._waiting:
                    if self._failure is not None:
                        raise self._failure
                    return
                item = self._waiting.popleft()
                self._bytes -= self._size(item)
                self._changed.notify_all()
            yield item

    def _read(self, source: Iterable[T]) -> None:
        try:
            for item in source:
                with self._changed:
                    self._waiting.append(item)
                    self._bytes += self._size(item)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._bytes < self._max_bytes or self._stopped)
                    if self._stopped:
                        return
        except BaseException as error:  # handed to the consumer
            self._failure = error
        finally:
            with self._changed:
                self._end = True
                self._changed.notify_all()
