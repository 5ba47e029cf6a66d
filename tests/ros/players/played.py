"""What the bags hold that the tests of the bag player play."""

import numpy as np

from tests.replay import bags

START_NS = 100_000_000_000
STEP_NS = 20_000_000


def image(k):
    """Frame k of a depth camera, all pixels k millimetres."""
    return bags.image(np.full((6, 8), k, np.uint16), START_NS + k * STEP_NS)
