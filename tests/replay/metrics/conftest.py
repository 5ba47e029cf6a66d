"""Small frames whose metrics can be worked out by hand."""

import pytest

from pagnet_ros.replay.metrics import FrameContexts, MetricSettings, Scorer
from tests.replay.metrics.frames import image, scored, truth


@pytest.fixture
def score():
    """`score(reference, result, ...)` -> metrics of that one frame."""

    def run(reference, result, *, sigma=None, common=None, settings=None, **frame):
        sigma = None if sigma is None else image(sigma)
        return scored(truth(reference, **frame), image(result), sigma, common, settings=settings)

    return run


@pytest.fixture
def replay():
    """`replay(frames, results, ...)` -> the scorer after a run over (truth, result) pairs."""

    def run(frames, results, *, settings=None, has_reference=True):
        settings = settings or MetricSettings()
        contexts, scorer = FrameContexts(settings), Scorer(settings, has_reference)
        for frame, result in zip(frames, results, strict=True):
            scorer.add(contexts.next(frame), image(result))
        return scorer

    return run
