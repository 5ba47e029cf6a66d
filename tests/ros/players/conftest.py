"""Playing bags in a thread."""

import contextlib

import pytest


@pytest.fixture
def opened():
    """Bags to be closed at the end, once nobody plays them any more."""
    with contextlib.ExitStack() as bags:
        yield bags


@pytest.fixture
def play(opened, run_player):
    """Start playing a bag in a thread."""

    from pagnet_ros.recordings.bags import Bag
    from pagnet_ros.ros.players.bag_player import BagPlayer, BagPlayerOptions

    def start(path, *, wait=True, **options):
        options = BagPlayerOptions(**{"wait_s": 20.0 if wait else 0.0, **options})
        bag = opened.enter_context(Bag(path))
        return run_player(lambda stop, **where: BagPlayer(bag, options, stop, **where))

    return start
