"""Bicubic by a power of two, against the general resampling of `depth.imresize`."""

import pytest
import torch

from pagnet_ros.core.depth import imresize
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.resize import BicubicDownsample, BicubicUpsample


def random_depth(height, width):
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(7, 9), (2, 3), (16, 5)])
def test_bicubic_upsampling_equals_imresize_up_to_the_borders(scale, size):
    depth = random_depth(*size)
    expected = imresize(depth, (size[0] * scale, size[1] * scale))
    torch.testing.assert_close(BicubicUpsample(scale)(depth), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(7, 9), (2, 3), (1, 5)])
def test_bicubic_downsampling_equals_imresize_up_to_the_borders(scale, size):
    fine = random_depth(size[0] * scale, size[1] * scale)
    torch.testing.assert_close(BicubicDownsample(scale)(fine), imresize(fine, size), atol=1e-6, rtol=0)
