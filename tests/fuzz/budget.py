"""How many examples a fuzzed property gets: some 2,500 in all by default, PAGNET_FUZZ times as many if set."""

import os

from hypothesis import HealthCheck, settings

FACTOR = max(1, int(os.environ.get("PAGNET_FUZZ", "1")))


def examples(count):
    """`count` examples, or as many times that as PAGNET_FUZZ says; found ones print how to try them again."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count * FACTOR, deadline=None, print_blob=True, suppress_health_check=quiet)
