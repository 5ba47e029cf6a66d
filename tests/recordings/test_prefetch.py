"""Reading ahead: order, bounds, errors and the end of the thread."""

import threading

import pytest

from pagnet_ros.recordings.prefetch import Prefetch


def test_items_come_in_order():
    with Prefetch(range(100), size=lambda item: 1, max_bytes=7) as items:
        assert list(items) == list(range(100))


def test_an_error_comes_after_what_was_read_before():
    def source():
        yield from (1, 2)
        raise OSError("disk gone")

    taken = []
    with pytest.raises(OSError, match="disk gone"), Prefetch(source(), size=lambda item: 1) as items:
        taken.extend(items)
    assert taken == [1, 2]


def test_reads_no_further_than_the_limit():
    read = []
    full = threading.Event()

    def source():
        for k in range(1000):
            read.append(k)
            if len(read) == 4:
                full.set()
            yield k

    with Prefetch(source(), size=lambda item: 10, max_bytes=40) as items:
        assert full.wait(10)
        items.wait_filled(10)
        assert len(read) <= 5


def test_leaving_ends_the_thread():
    def endless():
        while True:
            yield 0

    with Prefetch(endless(), size=lambda item: 1, max_bytes=5) as items:
        assert next(iter(items)) == 0
        thread = items._thread
    assert not thread.is_alive()
