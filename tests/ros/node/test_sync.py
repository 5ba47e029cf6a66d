"""message_filters behind our pairing interface: what it does well is kept, what it does badly is mended."""

import sys
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.node.inputs import make_pairing
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sync import FilterPairing

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


class SimpleFilter:
    def __init__(self):
        self.callbacks = {}

    def registerCallback(self, callback, *args):  # message_filters' name
        self.callbacks[len(self.callbacks)] = (callback, args)

    def signalMessage(self, *message):
        for callback, args in self.callbacks.values():
            callback(*(message + args))


class TimeSynchronizer(SimpleFilter):
    """As in Jazzy: a plain lock without finally, dictionaries by stamp, the smallest stamp evicted."""

    slop = 0

    def __init__(self, fs, queue_size):
        super().__init__()
        self.queues = [{} for _ in fs]
        self.queue_size = queue_size
        self.lock = threading.Lock()
        for queue, feed in zip(self.queues, fs, strict=True):
            feed.registerCallback(self.add, queue)

    def matches(self, a, b):
        return a == b

    def add(self, message, queue):
        assert self.lock.acquire(timeout=1.0), "the synchroniser is blocked for ever"
        queue[message.stamp] = message
        while len(queue) > self.queue_size:
            del queue[min(queue)]
        for a in sorted(self.queues[0]):
            for b in sorted(self.queues[1]):
                if a in self.queues[0] and self.matches(a, b):
                    self.signalMessage(self.queues[0].pop(a), self.queues[1].pop(b))
                    break
        self.lock.release()


class ApproximateTimeSynchronizer(TimeSynchronizer):
    def __init__(self, fs, queue_size, slop):
        super().__init__(fs, queue_size)
        self.slop = slop * 1e9

    def matches(self, a, b):
        return abs(a - b) < self.slop


@pytest.fixture(params=["fake", "real"])
def filters(request, monkeypatch):
    """message_filters as ROS ships it, and a stand-in with its known habits for where it is not installed."""
    if request.param == "real":
        return pytest.importorskip("message_filters", reason="ROS's message_filters is not installed")
    names = (SimpleFilter, TimeSynchronizer, ApproximateTimeSynchronizer)
    fake = SimpleNamespace(**{cls.__name__: cls for cls in names})
    monkeypatch.setitem(sys.modules, "message_filters", fake)
    return fake


def message(at_ns):
    stamp = SimpleNamespace(sec=at_ns // 10**9, nanosec=at_ns % 10**9)
    try:
        from builtin_interfaces.msg import Time

        stamp = Time(sec=stamp.sec, nanosec=stamp.nanosec)
    except ImportError:
        pass
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), stamp=at_ns)


def feed(pairing, at_ns, offset_ns=0):
    pairs = pairing.add_depth(at_ns, message(at_ns))
    return pairs + pairing.add_color(at_ns + offset_ns, message(at_ns + offset_ns))


def test_approximate_pairs_within_the_slop(filters):
    pairing = FilterPairing(20 * MS, 10, exact=False)
    (pair,) = feed(pairing, START_NS, 5 * MS)
    assert (pair.depth_stamp_ns, pair.color_stamp_ns) == (START_NS, START_NS + 5 * MS)
    assert pair.depth.stamp == START_NS
    assert feed(pairing, START_NS + 100 * MS, 30 * MS) == []


def test_exact_pairs_equal_stamps_only(filters):
    pairing = FilterPairing(20 * MS, 10, exact=True)
    assert feed(pairing, START_NS, 1) == []
    assert len(feed(pairing, START_NS + 33 * MS)) == 1


@pytest.mark.parametrize("exact", [False, True])
def test_backward_stamps_do_not_block_the_queues(filters, exact):
    pairing = FilterPairing(20 * MS, 5, exact=exact)
    for _ in range(3):
        for index in range(20):
            at = START_NS + index * 33 * MS
            assert len(feed(pairing, at)) == 1
        for index in range(20, 26):  # full queues of one side's future
            pairing.add_depth(START_NS + index * 33 * MS, message(START_NS + index * 33 * MS))


def test_slop_can_change(filters):
    pairing = FilterPairing(5 * MS, 5, exact=False)
    assert feed(pairing, START_NS, 10 * MS) == []
    pairing.slop_ns = 15 * MS
    assert pairing.slop_ns == 15 * MS
    assert len(feed(pairing, START_NS + 100 * MS, 10 * MS)) == 1


@pytest.mark.parametrize("sync", ["approximate", "exact"])
def test_absent_message_filters_is_told_with_the_way_out(monkeypatch, sync):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    with pytest.raises(ConfigError, match=rf"sync = '{sync}' needs ROS's message_filters.*Set sync:=nearest"):
        make_pairing(NodeParameters(sync=sync))
