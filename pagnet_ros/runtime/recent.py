"""A few things that are costly to make, kept by key: captured graphs, programs for a size. Pure bookkeeping."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `limit` values; the one not used for longest gives way to a new one."""

    def __init__(self, limit: int) -> None:
        """Start empty; `limit` is at least 1."""
        if limit < 1:
            raise ValueError(f"limit={limit}, expected at least 1")
        self._limit = limit
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept now."""
        return len(self._values)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key; made where it is not kept, after the oldest was given up, so that both never coexist.

        What `make` raises goes on, and nothing is kept for the key.
        """
        if key not in self._values:
            while len(self._values) >= self._limit:
                self._values.popitem(last=False)
            self._values[key] = make()
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self) -> None:
        """Give up all of them."""
        self._values.clear()
