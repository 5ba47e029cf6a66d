"""Frames of a few pixels."""

import numpy as np

from pagnet_ros.replay.metrics import FrameTruth


def image(rows):
    return np.array(rows, np.float32)


def truth(reference, measured=None, rgb=None, intrinsics=None, pose=None):
    """A frame; the measurement is the reference and the colour image grey where nothing else is said."""
    reference = None if reference is None else image(reference)
    measured = reference if measured is None else image(measured)
    if rgb is None:
        rgb = np.full((*(reference if reference is not None else measured).shape, 3), 128, np.uint8)
    return FrameTruth(reference, measured, rgb, intrinsics, pose)
