"""Folders of colour and depth files -> `RgbdImage`. One reader per layout; every problem is listed at once.

Layouts: `read_middlebury`, `read_sintel`, `read_frames` (also NYUv2-style exports and recordings turned into frames).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError, did_you_mean, quoted
from pagnet_ros.system.units import MILLIMETRE
from pagnet_training.data.images import RgbdImage, fit_levels, make_image, read_array, read_rgb, reduce_rgb

Converter = Callable[[NDArray[np.floating]], NDArray[np.floating]]


class _Pair(NamedTuple):
    name: str
    rgb: Path
    depth: Path


def read_middlebury(folder: Path, problems: list[str], leave_out: tuple[str, ...] = ()) -> list[RgbdImage]:
    """Middlebury stereo: ``NAME_rgb.png`` with ``NAME_disparity.{png,npy,npz}``; 0 or NaN is a hole.

    8-bit disparity is taken as it is (it is already the unit of the published errors); float disparity whose range
    is below 100 levels (2014 sets store it in pixels of a smaller image) is scaled up to 8-bit range.
    """

    def convert(disparity: NDArray[np.floating]) -> NDArray[np.floating]:
        known = disparity[np.isfinite(disparity) & (disparity > 0)]
        return disparity if known.size == 0 or known.max() > 100 else fit_levels(disparity)

    partners = ("{}_disparity.png", "{}_disparity.npy", "{}_disparity.npz")
    return _read(_pairs(folder, r"(.+)_rgb\.png", partners, problems, leave_out), convert, problems)


def read_sintel(folder: Path, problems: list[str], leave_out: tuple[str, ...] = ()) -> list[RgbdImage]:
    """MPI Sintel: ``NAME_rgb.png`` with ``NAME_depth.npz``, depth in film units.

    Film depth reaches from 2 to 150 units within one frame, and nearly all of its range is background. Its inverse
    is distributed like stereo disparity, the unit in which the errors are counted, so 1/depth is scaled per frame
    to the range of 8-bit disparity.
    """

    def convert(depth: NDArray[np.floating]) -> NDArray[np.floating]:
        return fit_levels(1.0 / np.where(depth > 0, depth, np.nan))

    partners = ("{}_depth.npz", "{}_depth.npy")
    return _read(_pairs(folder, r"(.+)_rgb\.png", partners, problems, leave_out), convert, problems)


def read_frames(
    folder: Path, problems: list[str], leave_out: tuple[str, ...] = (), depth_unit_m: float = MILLIMETRE
) -> list[RgbdImage]:
    """Plain frames: ``NAME.color.{png,jpg}`` or ``NAME_rgb.*`` with ``NAME.depth.png`` or ``NAME_depth.png``.

    Depth is uint16 millimetres with 0 = no measurement (NYUv2-style exports and recordings turned into frames), or,
    in ``.npy``, float metres; either is scaled per frame to the range of levels. A colour image larger than its depth
    is reduced to the depth's size, because depth is the truth to learn. `depth_unit_m` is what a count stands for where
    it is no millimetre.
    """
    pairs = _pairs(
        folder,
        r"(.+)[._](?:color|rgb)\.(?:png|jpg|jpeg|ppm)",
        ("{}.depth.png", "{}_depth.png", "{}_depth.npy", "{}.depth.npy", "{}_depth.pgm"),
        problems,
        leave_out,
    )
    return _read(pairs, fit_levels, problems, depth_unit_m)


LAYOUTS: dict[str, Callable[..., list[RgbdImage]]] = {
    "middlebury": read_middlebury,
    "sintel": read_sintel,
    "frames": read_frames,
}


def read_folder(
    layout: str,
    folder: Path,
    problems: list[str],
    depth_unit_m: float = MILLIMETRE,
    leave_out: tuple[str, ...] = (),
) -> list[RgbdImage]:
    """Read the pairs of a folder; what is wrong with it is appended to `problems`, never raised.

    Args:
        layout: a key of `LAYOUTS`.
        folder: where the files lie.
        problems: grows by one line per missing folder, unpaired file, mis-sized or all-invalid pair, and name to
            leave out that is not there.
        depth_unit_m: of frames: metres per count of whole-number depth.
        leave_out: names of pairs that are not read.
    """
    if not folder.is_dir():
        problems.append(f"{folder}: no such folder; give the data's root with --data, or mend the recipe's path")
        return []
    before = len(problems)
    units = (depth_unit_m,) if layout == "frames" else ()
    images = LAYOUTS[layout](folder, problems, leave_out, *units)
    if not images and len(problems) == before:
        problems.append(f"{folder}: no {layout} pair in it; see training/README.md for the file names expected")
    return images


def _pairs(
    folder: Path, pattern: str, partners: tuple[str, ...], problems: list[str], leave_out: tuple[str, ...]
) -> Iterator[_Pair]:
    colours = [(rgb, found) for rgb in sorted(folder.iterdir()) if (found := re.fullmatch(pattern, rgb.name))]
    there = [found[1] for _, found in colours]
    for name in leave_out:
        if name not in there:
            hint = did_you_mean(name, there, "name an image of this folder, or leave it out")
            problems.append(f"{folder}: leave_out names {quoted(name)}, which is not there; {hint}")
    for rgb, found in colours:
        if found[1] in leave_out:
            continue
        names = [partner.format(found[1]) for partner in partners]
        depth = next((folder / name for name in names if (folder / name).is_file()), None)
        if depth is None:
            problems.append(f"{rgb}: no depth beside it; expected one of {', '.join(names)}")
        else:
            yield _Pair(f"{folder.name}/{found[1]}", rgb, depth)


def _read(
    pairs: Iterator[_Pair], convert: Converter, problems: list[str], depth_unit_m: float | None = None
) -> list[RgbdImage]:
    """Read pairs; those with a unit are recorded, and their colour may be larger than their depth."""
    images = []
    for pair in pairs:
        try:
            rgb, stored = read_rgb(pair.rgb), read_array(pair.depth)
            depth = stored.astype(np.float64)
            metres = None
            if depth_unit_m is not None:
                rgb = reduce_rgb(rgb, *depth.shape)
                metres = depth if stored.dtype.kind == "f" else depth / (1 / depth_unit_m)
            images.append(make_image(pair.name, rgb, convert(depth), metres))
        except RecordingError as error:
            problems.append(str(error))
    return images
