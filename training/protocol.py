"""The evaluation protocol of guided depth super-resolution on Middlebury, in 8-bit disparity units.

Crop to a multiple of the scale from the top-left; low resolution = MATLAB ``imresize(..., 'bicubic')``, kept in
floating point or rounded to uint8 after each pass; root mean square error over every pixel, no border shaved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.core.depth import Normalisation, fill_holes, imresize
from pagnet_ros.errors import RecordingError
from pagnet_ros.model.network import PagNet
from pagnet_training.data.augment import turn, turn_back
from pagnet_training.data.images import read_array, read_rgb

Upsampler = Callable[[NDArray[np.float32], NDArray[np.uint8], int], NDArray[np.float32]]


@dataclass(frozen=True)
class ProtocolImage:
    """One evaluation image.

    Attributes:
        name: lower-case name.
        rgb: ``[H, W, 3]`` uint8.
        disparity: ``[H, W]`` float32, whole 8-bit levels.
    """

    name: str
    rgb: NDArray[np.uint8]
    disparity: NDArray[np.float32]


class Case(NamedTuple):
    """One image at one scale: low-resolution disparity ``[H/s, W/s]``, colour and truth ``[H, W]`` cropped."""

    low: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    truth: NDArray[np.float32]


def read_protocol_images(folder: Path) -> list[ProtocolImage]:
    """Read ``NAME_rgb.png`` with ``NAME_disparity.{png,npy,npz}``; float disparity is rounded to whole levels.

    The error counts every pixel, so each has to have a disparity.

    Raises:
        RecordingError: missing folder, unpaired or mis-sized files, disparity that is not finite; all listed at once.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: no such folder; expected NAME_rgb.png and NAME_disparity.png in it")
    problems, images = [], []
    for path in sorted(folder.glob("*_rgb.png")):
        name = path.name.removesuffix("_rgb.png")
        partners = [folder / f"{name}_disparity.{suffix}" for suffix in ("png", "npy", "npz")]
        found = next((partner for partner in partners if partner.is_file()), None)
        if found is None:
            problems.append(f"{path}: no {name}_disparity.png, .npy or .npz beside it")
            continue
        rgb, disparity = read_rgb(path), np.round(read_array(found)).astype(np.float32)
        if rgb.shape[:2] != disparity.shape:
            problems.append(f"{found}: {disparity.shape}, expected {rgb.shape[:2]} like {path.name}")
            continue
        if holes := int(np.count_nonzero(~np.isfinite(disparity))):
            problems.append(
                f"{found}: {holes} pixels are not finite; expected a disparity in every pixel, as the error counts all "
                "of them; fill the holes, or leave the image out"
            )
            continue
        images.append(ProtocolImage(name, rgb, disparity))
    if problems or not images:
        raise RecordingError("\n".join(problems) or f"{folder}: no NAME_rgb.png in it; check the folder")
    return images


def make_case(image: ProtocolImage, scale: int, *, rounded: bool) -> Case:
    """The low-resolution input and the truth of one image at one scale."""
    height, width = (side - side % scale for side in image.disparity.shape)
    truth = image.disparity[:height, :width]
    low = imresize(torch.from_numpy(truth).double(), (height // scale, width // scale), rounded=rounded)
    return Case(low.float().numpy(), image.rgb[:height, :width], truth)


def rmse(result: NDArray[np.float32], truth: NDArray[np.float32], above: float | None = None) -> float:
    """Root mean square error over all pixels, or over those whose truth is larger than `above`."""
    difference = result.astype(np.float64) - truth
    if above is not None:
        difference = difference[truth > above]
    return float(np.sqrt(np.mean(difference**2)))


def bicubic(low: NDArray[np.float32], rgb: NDArray[np.uint8], scale: int) -> NDArray[np.float32]:
    """MATLAB's bicubic up-sampling, the protocol's reference; whole levels are a uint8 image and give uint8 back."""
    whole = bool(np.array_equal(low, np.round(low)))
    return imresize(torch.from_numpy(low).double(), (rgb.shape[0], rgb.shape[1]), rounded=whole).float().numpy()


def self_ensemble(run: Upsampler) -> Upsampler:
    """The mean of an up-sampler's results over the 8 flips and rotations of its input (Timofte et al. 2016).

    Eight times the time, so for offline use. Turning is exact: the protocol's images are multiples of the scale.
    """

    def eight(low: NDArray[np.float32], rgb: NDArray[np.uint8], scale: int) -> NDArray[np.float32]:
        turned = (run(turn(low, code).copy(), turn(rgb, code).copy(), scale) for code in range(8))
        back = [turn_back(result, code) for code, result in enumerate(turned)]
        return np.asarray(np.mean(back, axis=0), np.float32)

    return eight


def network_upsampler(
    net: PagNet, *, precision: torch.dtype = torch.float32, forward: Callable[..., Tensor] | None = None
) -> Upsampler:
    """The network as an up-sampler of one frame, its holes (NaN) filled and the rest normalised as on the robot.

    Args:
        net: the network.
        precision: what torch computes its features in.
        forward: called instead of the network, such as a `NativePagNet` made of it.
    """

    def run(low: NDArray[np.float32], rgb: NDArray[np.uint8], scale: int) -> NDArray[np.float32]:
        device = next(net.parameters()).device
        depth = torch.from_numpy(low)[None, None].to(device)
        colour = torch.from_numpy(rgb.copy()).to(device).permute(2, 0, 1)[None].float() / 255 - 0.5
        measured = torch.isfinite(depth)
        filled = fill_holes(depth.nan_to_num(nan=0.0), measured)
        normalisation = Normalisation.of(filled)
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False)
        cast = torch.autocast(device.type, precision, enabled=precision != torch.float32)
        with torch.inference_mode(), exact, cast:
            guide = colour.contiguous(memory_format=torch.channels_last)
            output = (forward or net)(normalisation.apply(filled), guide, measured)
        return normalisation.undo(output.float())[0, 0].cpu().numpy()

    return run
