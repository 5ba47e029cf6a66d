"""Pairing: an oracle that sees all stamps at once, loops, duplicates, bounds, and counts that add up."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import ConfigError

MS = 1_000_000


def feed(pairing, messages):
    """Give ``("d" or "c", stamp, ...)`` messages; return (depth stamp, colour stamp) of the pairs, in order."""
    pairs = []
    for message in messages:
        add = pairing.add_depth if message[0] == "d" else pairing.add_color
        pairs += add(message[1], message)
    for pair in pairs:
        assert pair.depth[:2] == ("d", pair.depth_stamp_ns)
        assert pair.color[:2] == ("c", pair.color_stamp_ns)
    return [(pair.depth_stamp_ns, pair.color_stamp_ns) for pair in pairs]


def nearest_pairs(depths, colors, slop):
    """What an onlooker who knows every stamp pairs: the nearest colour, the older on a tie, within the slop."""
    pairs = []
    for depth in depths:
        color = min(colors, key=lambda c: (abs(c - depth), c), default=None)
        if color is not None and abs(color - depth) <= slop:
            pairs.append((depth, color))
    return pairs


def merged(draw, depths, colors):
    """Any interleaving that keeps each stream in order."""
    order = draw(st.permutations(["d"] * len(depths) + ["c"] * len(colors)))
    queues = {"d": iter(depths), "c": iter(colors)}
    return [(kind, next(queues[kind])) for kind in order]


STAMPS = st.lists(st.integers(0, 120), max_size=14).map(sorted)


@st.composite
def streams(draw, unique=True):
    depths, colors = draw(STAMPS), draw(STAMPS)
    if unique:
        depths, colors = sorted(set(depths)), sorted(set(colors))
    return depths, colors, merged(draw, depths, colors)


@given(streams(), st.integers(0, 30))
def test_in_order_streams_pair_with_the_true_nearest_colour(given_streams, slop):
    depths, colors, messages = given_streams
    pairing = NearestPairing(slop, queue_size=20)
    decidable = [depth for depth in depths if colors and depth <= colors[-1]]
    assert feed(pairing, messages) == nearest_pairs(decidable, colors, slop)


@given(streams(unique=False), st.integers(0, 30), st.integers(1, 4))
def test_counts_add_up_for_any_streams_and_queues(given_streams, slop, queue_size):
    depths, colors, messages = given_streams
    pairing = NearestPairing(slop, queue_size)
    pairs = feed(pairing, messages)
    pairing.clear()
    counts = pairing.counts
    repeated = [len(stamps) - len(set(stamps)) for stamps in (depths, colors)]
    served = len({color for _, color in pairs})
    assert (counts.depth_in, counts.color_in, counts.paired) == (len(depths), len(colors), len(pairs))
    assert counts.duplicate == sum(repeated)
    assert counts.depth_unmatched == len(depths) - len(pairs) - repeated[0]
    assert counts.color_unmatched == len(colors) - served - repeated[1]
    assert counts.backward_jumps == 0


ANY_MESSAGES = st.lists(st.tuples(st.sampled_from("dc"), st.integers(0, 60)), max_size=40)


@given(ANY_MESSAGES, st.integers(0, 20), st.integers(1, 5))
def test_any_messages_give_pairs_within_slop_and_use_a_depth_frame_once(messages, slop, queue_size):
    pairing = NearestPairing(slop, queue_size)
    numbered = [(*message, i) for i, message in enumerate(messages)]
    used = []
    for message in numbered:
        for pair in (pairing.add_depth if message[0] == "d" else pairing.add_color)(message[1], message):
            assert abs(pair.depth_stamp_ns - pair.color_stamp_ns) <= slop
            used.append(pair.depth[2])
    assert len(used) == len(set(used))
    pairing.clear()
    counts, depths = pairing.counts, sum(message[0] == "d" for message in messages)
    assert counts.depth_in == depths
    assert counts.depth_in + counts.color_in == len(messages)
    assert depths - counts.duplicate <= counts.paired + counts.depth_unmatched <= depths


@given(ANY_MESSAGES, st.integers(0, 20))
def test_the_same_messages_give_the_same_pairs_and_counts(messages, slop):
    first, second = NearestPairing(slop, 3), NearestPairing(slop, 3)
    assert feed(first, messages) == feed(second, messages)
    assert first.counts == second.counts


def test_equal_stamps_match_at_once_whichever_comes_first():
    pairing = NearestPairing(0)
    assert pairing.add_depth(5, "depth") == []
    assert pairing.add_color(5, "color") == [Pair(5, 5, "depth", "color")]
    assert pairing.add_color(9, "next") == []
    assert pairing.add_depth(9, "deeper") == [Pair(9, 9, "deeper", "next")]


@pytest.mark.parametrize(("offset", "pairs"), [(19, 1), (20, 1), (21, 0), (-20, 1), (-21, 0)])
def test_the_slop_is_inclusive(offset, pairs):
    pairing = NearestPairing(20)
    messages = [("c", 100 + offset), ("d", 100)] if offset > 0 else [("d", 100), ("c", 100 + offset), ("c", 300)]
    assert len(feed(pairing, messages)) == pairs
    assert pairing.counts.last_offset_ns == offset


def test_a_match_waits_until_no_nearer_colour_can_come():
    pairing = NearestPairing(50)
    assert feed(pairing, [("c", 90), ("d", 100)]) == []
    assert feed(pairing, [("c", 105)]) == [(100, 105)]


def test_a_colour_frame_serves_several_depth_frames():
    pairing = NearestPairing(40)
    assert feed(pairing, [("d", 10), ("d", 20), ("c", 30), ("d", 25), ("d", 30)]) == [(s, 30) for s in (10, 20, 25, 30)]
    assert pairing.counts.color_unmatched == 0


def test_the_slop_can_change_while_running():
    pairing = NearestPairing(0)
    assert feed(pairing, [("d", 10), ("c", 15)]) == []
    pairing.slop_ns = 5
    assert feed(pairing, [("d", 30), ("c", 35)]) == [(30, 35)]


@pytest.mark.parametrize("kind", ["d", "c"])
def test_waiting_frames_are_bounded_and_the_oldest_go_first(kind):
    pairing = NearestPairing(1, queue_size=4)
    feed(pairing, [(kind, stamp) for stamp in range(0, 1000, 10)])
    counts = pairing.counts
    assert (counts.depth_unmatched if kind == "d" else counts.color_unmatched) == 96
    other = "c" if kind == "d" else "d"
    assert feed(pairing, [(other, stamp) for stamp in (950, 960, 990)]) == [(960, 960), (990, 990)]


def test_a_repeated_stamp_is_counted_and_used_once():
    pairing = NearestPairing(5)
    assert feed(pairing, [("d", 10), ("d", 10), ("c", 10), ("c", 10), ("d", 10)]) == [(10, 10)]
    assert pairing.counts.duplicate == 3


def test_clear_forgets_frames_and_stamps_but_not_counts():
    pairing = NearestPairing(50)
    feed(pairing, [("d", 1000), ("c", 900)])
    pairing.clear()
    assert feed(pairing, [("c", 1010)]) == []
    assert feed(pairing, [("d", 500)]) == []
    pairing.clear()
    assert feed(pairing, [("d", 10), ("c", 20)]) == [(10, 20)]
    counts = pairing.counts
    assert (counts.depth_in, counts.color_in, counts.paired, counts.backward_jumps) == (3, 3, 1, 0)
    assert (counts.depth_unmatched, counts.color_unmatched) == (2, 2)


@pytest.mark.parametrize(("slop", "queue", "late"), [(-1, 10, None), (5, 0, None), (5, None, -1)])
def test_values_out_of_range_are_refused(slop, queue, late):
    with pytest.raises(ConfigError, match=f"slop_ns={slop}, queue_size={queue}, max_late_ns={late}"):
        NearestPairing(slop, queue, max_late_ns=late)


@pytest.mark.parametrize("late_ms", [0, 170, 300, 480])
def test_depth_that_comes_late_pairs_with_its_own_colour_at_any_rate(late_ms):
    """Colour at 60 Hz, depth at 5 Hz with the stamp of a colour frame, but published later."""
    stamps = [index * 50 * MS // 3 for index in range(480)]
    messages = [("c", stamp, stamp) for stamp in stamps]
    messages += [("d", stamp, stamp + late_ms * MS + 1) for stamp in stamps[::12]]
    pairing = NearestPairing(20 * MS, queue_size=60, max_late_ns=500 * MS)
    pairs = feed(pairing, sorted(messages, key=lambda message: message[2]))
    assert pairs == [(stamp, stamp) for stamp in stamps[::12]]


@pytest.mark.parametrize("kind", ["d", "c"])
def test_frames_wait_for_as_long_as_their_partner_may_be_late(kind):
    other = "c" if kind == "d" else "d"
    pairing = NearestPairing(1 * MS, max_late_ns=100 * MS)
    feed(pairing, [(kind, stamp * MS) for stamp in range(0, 1000, 10)])
    assert feed(pairing, [(other, stamp * MS) for stamp in (880, 890, 990)]) == [(890 * MS,) * 2, (990 * MS,) * 2]


def test_without_limits_nothing_is_dropped_before_its_partner_comes():
    pairing = NearestPairing(0)
    feed(pairing, [("c", stamp) for stamp in range(0, 10**12, 10**9)])
    assert feed(pairing, [("d", 0), ("d", 10**9), ("d", 999 * 10**9)]) == [(s * 10**9,) * 2 for s in (0, 1, 999)]


def looped_bag(depth_hz, color_hz, jitter_ms, seed, loops=4, seconds=1.0):
    """(stamps per stream, messages) of a bag whose stamps start anew with every loop."""
    rng = random.Random(seed)

    def stream(hz, phase):
        times = [phase + i / hz + rng.uniform(-0.5, 0.5) * jitter_ms / 1e3 for i in range(int(seconds * hz))]
        return [int(1e9 + 1e9 * t) for t in times]

    depths, colors = stream(depth_hz, 0.0), stream(color_hz, rng.uniform(0, 1 / color_hz))
    once = sorted([("d", s) for s in depths] + [("c", s) for s in colors], key=lambda message: message[1])
    return depths, colors, [once] * loops


RATES = [(30, 15, 0), (30, 15, 8), (30, 30, 0), (30, 30, 12), (15, 30, 5), (60, 15, 5), (30, 6, 5), (90, 10, 2)]


@pytest.mark.parametrize(("depth_hz", "color_hz", "jitter_ms"), RATES)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slop_ms", [10, 40])
def test_a_loop_of_a_bag_loses_at_most_one_pair(depth_hz, color_hz, jitter_ms, seed, slop_ms):
    depths, colors, loops = looped_bag(depth_hz, color_hz, jitter_ms, seed)
    pairing = NearestPairing(slop_ms * MS)
    pairs = feed(pairing, [message for loop in loops for message in loop])
    expected = nearest_pairs(depths, colors, slop_ms * MS)
    assert set(pairs) <= set(expected)
    assert len(pairs) >= len(loops) * (len(expected) - 1)
    assert pairing.counts.backward_jumps == len(loops) - 1


@pytest.mark.parametrize(("depth_hz", "color_hz", "jitter_ms"), RATES[:5])
@pytest.mark.parametrize("seed", range(8))
def test_messages_swapped_at_the_loop_cost_at_most_one_pair(depth_hz, color_hz, jitter_ms, seed):
    depths, colors, loops = looped_bag(depth_hz, color_hz, jitter_ms, seed)
    messages = list(loops[0])
    for loop in loops[1:]:
        last = messages.pop()
        messages += [last, *loop] if last[0] == loop[0][0] else [loop[0], last, *loop[1:]]
    pairing = NearestPairing(40 * MS)
    pairs = feed(pairing, messages)
    expected = nearest_pairs(depths, colors, 40 * MS)
    assert len(pairs) >= len(loops) * (len(expected) - 1)


def test_one_stream_that_goes_back_alone_still_pairs_afterwards():
    pairing = NearestPairing(5)
    messages = [("d", 100), ("c", 101), ("d", 60), ("c", 131), ("d", 130), ("c", 161), ("d", 160), ("c", 191)]
    assert feed(pairing, messages)[-1] == (160, 161)


def test_after_a_jump_back_no_frame_of_the_future_is_used():
    pairing = NearestPairing(50)
    feed(pairing, [("c", 1000), ("d", 1010)])
    assert feed(pairing, [("d", 10), ("c", 20), ("d", 60), ("c", 70)]) == [(1010, 1000), (10, 20), (60, 70)]
    assert pairing.counts.depth_unmatched == 0


def test_a_partner_may_be_late_and_off_by_the_slop_as_well():
    pairing = NearestPairing(20, max_late_ns=100)
    feed(pairing, [("d", stamp) for stamp in range(0, 121, 10)])
    assert feed(pairing, [("c", 20)])[0] == (0, 20)


@pytest.mark.parametrize("depth", [1008, 1020])
def test_a_colour_frame_out_of_order_costs_no_waiting_depth_frame_its_nearer_partner(depth):
    pairing = NearestPairing(20)
    assert feed(pairing, [("c", depth - 3), ("d", depth), ("c", 1000)]) == []
    assert feed(pairing, [("c", depth + 1), ("c", depth + 30)]) == [(depth, depth + 1)]


def test_clear_forgets_that_depth_jumped_back_alone():
    pairing = NearestPairing(5)
    feed(pairing, [("c", 1000), ("d", 1000), ("d", 10)])
    pairing.clear()
    assert feed(pairing, [("d", 2000), ("c", 2000)]) == [(2000, 2000)]
