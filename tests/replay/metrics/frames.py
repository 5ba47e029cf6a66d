"""Frames of a few pixels."""

import numpy as np

from pagnet_ros.replay.metrics import FrameContext, FrameTruth, MetricSettings, Scorer


def image(rows):
    return np.array(rows, np.float32)


def truth(reference, measured=None, rgb=None, intrinsics=None, pose=None):
    """A frame; the measurement is the reference and the colour image grey where nothing else is said."""
    reference = None if reference is None else image(reference)
    measured = reference if measured is None else image(measured)
    if rgb is None:
        rgb = np.full((*(reference if reference is not None else measured).shape, 3), 128, np.uint8)
    return FrameTruth(reference, measured, rgb, intrinsics, pose)


def black(reference, measured=None, *camera):
    """A frame under a black colour image; the measurement is the reference where nothing else is said."""
    rgb = np.zeros((*reference.shape, 3), np.uint8)
    return FrameTruth(reference, reference if measured is None else measured, rgb, *camera)


def scored(frame, depth, *more, settings=None, scorer=None):
    """The metrics of one frame, of a new scorer where none is named."""
    settings = settings or MetricSettings()
    scorer = scorer or Scorer(settings, has_reference=frame.reference_m is not None)
    return scorer.add(FrameContext(frame, settings), depth, *more)
