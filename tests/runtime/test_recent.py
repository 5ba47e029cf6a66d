"""What is kept, what gives way, and that a failure leaves nothing half made."""

import pytest

from pagnet_ros.runtime.recent import Recent


def test_a_value_is_made_once_and_the_least_recently_used_gives_way():
    made = []
    recent = Recent(2)

    def value(key):
        return recent.get(key, lambda: made.append(key) or f"value of {key}")

    assert value("a") == "value of a"
    value("b")
    value("a")
    value("c")  # b was used longest ago
    value("a")
    value("b")
    assert made == ["a", "b", "c", "b"]
    assert len(recent) == 2


def test_the_oldest_is_given_up_before_the_new_one_is_made():
    recent = Recent(1)
    recent.get("a", object)
    assert recent.get("b", lambda: len(recent)) == 0


def test_what_fails_is_not_kept():
    recent = Recent(2)
    with pytest.raises(MemoryError):
        recent.get("a", lambda: (_ for _ in ()).throw(MemoryError()))
    assert recent.get("a", lambda: 5) == 5
    recent.clear()
    assert len(recent) == 0


def test_room_for_nothing_is_refused():
    with pytest.raises(ValueError, match="limit=0, expected at least 1"):
        Recent(0)
