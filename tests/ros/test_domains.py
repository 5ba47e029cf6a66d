"""Tests that run side by side, and a process set apart, never hear each other."""

import itertools
import os

from pagnet_ros.system.transport import DOMAINS, enter_own_domain, nobody_is_in
from tests.ros import conftest


def test_two_runs_that_begin_at_the_same_domain_get_different_ones(monkeypatch):
    monkeypatch.setattr(conftest, "_COUNT", itertools.count())
    with conftest.own_domain() as one:
        monkeypatch.setattr(conftest, "_COUNT", itertools.count())
        with conftest.own_domain() as other:
            assert one != other


def test_a_domain_somebody_is_in_is_seen_and_not_entered(ros, monkeypatch):
    ros.node()
    ros.wait_until(lambda: not nobody_is_in(ros.domain_id), what="the participant to listen")
    monkeypatch.setattr("random.sample", lambda among, count: sorted(among, key=lambda each: each != ros.domain_id))
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.setenv(name, "")  # so that what is set below does not stay
        monkeypatch.delenv(name)
    enter_own_domain()
    assert int(os.environ["ROS_DOMAIN_ID"]) in set(DOMAINS) - {ros.domain_id}
