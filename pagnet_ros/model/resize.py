"""Bicubic resampling by a power of two, equal to MATLAB's ``imresize``: the base the network adds to. Mathematics only.

The evaluation protocol of guided depth super-resolution is defined by ``imresize``; the general case, for any pair of
sizes, is `pagnet_ros.core.depth.imresize`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cubic_kernel(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981; the kernel of MATLAB's ``imresize``)."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


class BicubicUpsample(nn.Module):
    """Bicubic up-sampling by an even integer factor, equal to MATLAB's ``imresize`` (a = -0.5, mirrored borders).

    Written as one convolution and a pixel shuffle, so that it exports and captures like the rest of the network.
    """

    kernel: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        taps = torch.arange(-2, 3, dtype=torch.float64, device="cpu")
        phases = (torch.arange(scale, dtype=torch.float64, device="cpu") + 0.5) / scale - 0.5
        weights = cubic_kernel(phases[:, None] - taps[None, :])
        kernel = torch.einsum("py,qx->pqyx", weights, weights).reshape(scale * scale, 1, 5, 5)
        self.register_buffer("kernel", kernel.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, 1, h, w] -> [B, 1, s*h, s*w]``, float32."""
        return F.pixel_shuffle(F.conv2d(pad_mirrored(x, 2), self.kernel), self.scale)


def pad_mirrored(x: Tensor, margin: int) -> Tensor:
    """Pad ``[..., h, w]`` by mirroring with the border pixel repeated (``b a | a b``), as ``imresize`` does."""
    for dim in (-1, -2):
        size = x.shape[dim]
        index = torch.arange(-margin, size + margin, device=x.device)
        # a remainder by a size that is not known yet cannot be exported to ONNX
        index = torch.where(index < 0, -1 - index, index) if margin <= size else index % (2 * size)
        x = x.index_select(dim, torch.where(index < size, index, 2 * size - 1 - index))
    return x


class BicubicDownsample(nn.Module):
    """Antialiased bicubic down-sampling by an even integer factor, equal to MATLAB's ``imresize``.

    Sizes that the factor divides only.
    """

    kernel: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        distance = (torch.arange(4 * scale, dtype=torch.float64, device="cpu") + 0.5) / scale - 2.0
        weights = cubic_kernel(distance)
        self.register_buffer("kernel", (weights / weights.sum()).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, 1, s*h, s*w] -> [B, 1, h, w]``, float32."""
        s = self.scale
        x = pad_mirrored(x, 3 * s // 2)
        x = F.conv2d(x, self.kernel.view(1, 1, -1, 1), stride=(s, 1))
        return F.conv2d(x, self.kernel.view(1, 1, 1, -1), stride=(1, s))
