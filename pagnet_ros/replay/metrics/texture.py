"""Texture copying: the part of the error that follows the colour image where depth has no edge."""

from __future__ import annotations

import cv2
import numpy as np

from pagnet_ros.replay.metrics.regions import Image, Mask, grey
from pagnet_ros.replay.metrics.registry import Group, Metric, Sums, Values, add_metrics, root
from pagnet_ros.replay.metrics.result import Result

__all__ = ["Texture", "copied"]

WINDOW_PX = 9
MIN_SHARE = 0.5
MIN_VARIANCE = 1.0


@add_metrics(
    Metric(
        "texture_copying_m",
        "texture copying",
        "How much of the error there follows colour: root mean square over those pixels of the covariance of "
        "d - z with grey in a window of 9x9 pixels, divided by the standard deviation of grey. Depth that "
        "copies a pattern of 1 cm has 1 cm; noise without any relation to colour has about a ninth of its "
        "size.",
        unit="m",
    )
)
class Texture(Group):
    """Texture copying over the textured pixels of the reference."""

    def sums(self, result: Result) -> Sums:
        """Pixels, and squares of what was copied."""
        frame = result.frame
        error = result.depth - frame.truth
        square = copied(error, grey(frame.rgb))[frame.texture & np.isfinite(error)]
        square = square[np.isfinite(square)]
        return np.array([square.size, square.sum(dtype=np.float64)])

    def values(self, sums: Sums) -> Values:
        """The root mean square."""
        return {"texture_copying_m": root(sums[1], sums[0])}


def copied(error: Image, luma: Image) -> Image:
    """The variance of an error that grey explains around each pixel.

    Args:
        error: ``[H, W]`` metres, NaN where unknown.
        luma: ``[H, W]`` grey levels.

    Returns:
        ``[H, W]`` square metres: covariance with grey in a square window, squared, over the variance of grey; NaN
        where fewer than half of the window is known or grey does not vary by a level.
    """
    seen: Mask = np.isfinite(error)
    known = seen.astype(np.float32)
    clean = np.where(seen, error, np.float32(0))
    shade = (luma - np.float32(128)) * known  # about zero, where float32 is finest
    share = _mean(known)
    share = np.where(share >= np.float32(MIN_SHARE), share, np.float32(np.nan))
    mean_error, mean_shade, product, square = (
        _mean(values) / share for values in (clean, shade, clean * shade, shade * shade)
    )
    covariance = product - mean_error * mean_shade
    variance = square - mean_shade * mean_shade
    return np.asarray(covariance * covariance / np.where(variance >= MIN_VARIANCE, variance, np.float32(np.nan)))


def _mean(image: Image) -> Image:
    return np.asarray(cv2.blur(image, (WINDOW_PX, WINDOW_PX)), np.float32)
