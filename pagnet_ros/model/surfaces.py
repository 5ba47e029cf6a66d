"""Depth as a choice among the measured surfaces around a pixel. Mathematics only.

A depth camera sees surfaces; a pixel between two of them belongs to one or the other, never to the empty space in
between. So a network for real sensors does not regress a depth: for every output pixel it says which of the nearest
measurements' surfaces the pixel lies on. Data flows in one direction:

    measured depth -> `nearest_measured` -> `entering_features` -> the network's trunk -> logits
                              |                                                            |
                              +--------------> `candidates` ------------> `choose` <-------+

Everything is local: an output pixel depends on the measurements within `reach` pixels of it and on the trunk's
receptive field, never on a statistic of the whole frame. Related work: mixture densities for stereo matching (SMD-Nets,
CVPR 2021), twin surfaces for depth completion (TWISE, CVPR 2021), convex up-sampling (RAFT, ECCV 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
CENTRE = 4
CANDIDATES = 10
"""Nine measurements, each on its own plane, and one smooth surface through them."""
ENTERING = 18
"""Channels of `entering_features`."""
LEAVING = CANDIDATES + 1 + 9
"""Channels of a network's answer: a logit per candidate, the width, what colour counts for each measurement."""

LARGEST_SLOPE = 0.03  # of its depth, per measured pixel: a plane seen at some 75 degrees by a common camera
LONGEST_CONTINUATION = 2.2  # measured pixels, all a neighbour needs: two pixels tell nothing of a plane far away
STEP_SHARE, STEP_FLOOR_M = 0.02, 0.002  # the unit of a depth difference: a share of the depth, and a floor
DISTANCE_WEIGHT = 4.0  # how fast the prior falls with distance, before the network has seen anything
FARTHEST_BESIDE_OWN = 2  # measured pixels: a measured pixel does not choose a surface from beyond a hole
SMOOTH_STEP = 0.1  # measurements further apart, as a share of the nearer one, hardly lie on one smooth surface
SMOOTH_DISTANCE2 = 0.3  # squared distance at which the smooth surface counts
WIDTH, WIDTH_RANGE = 0.004, (-2.5, 3.0)  # Laplace width: a share of the depth, and the range of its logarithm
SAME_SURFACE = 0.01  # candidates closer than this share of their depth lie on one surface
SAME_SURFACE_WIDTHS = 2.0  # or closer than so many of the predicted widths
SPREAD_VARIANCE, WIDTH_VARIANCE = 0.85, 1.6  # what the candidates' spread and squared width count; studies.reliability
TINT, TINT_RANGE = 10.0, (-3.0, 2.5)  # what a full difference of colour costs a candidate, and its logarithm's range
_NONE = -1e4  # the logit of a candidate that does not exist


class Rays(NamedTuple):
    """The nearest measurement in each direction, for every measured pixel's place; each ``[B, 9, h, w]`` float32.

    The order is that of `NEIGHBOURS`; number `CENTRE` is the pixel itself.

    Attributes:
        depth: depth of the measurement, in the input's unit, 0 where there is none within reach.
        slope_x: change of its depth from one column to the next on its own plane.
        slope_y: the same from one row to the next.
        distance: how many pixels away it lies along the ray; 1 for the pixel itself; 0 where there is none.
        colour: ``[B, 9, 3, h, w]``, mean colour of the measured pixel's footprint.
    """

    depth: Tensor
    slope_x: Tensor
    slope_y: Tensor
    distance: Tensor
    colour: Tensor


class Candidates(NamedTuple):
    """The surfaces that an output pixel may lie on, each ``[B, 10, H, W]``.

    Attributes:
        depth: float32 depth of each at this pixel, in the input's unit.
        known: bool, False where there is no such candidate.
        prior: float32, logarithm of its weight by distance alone.
        steep: ``[B, 1, H, W]`` bool, the smooth surface passes through measurements that hardly lie on one; then it
            counts for the mean only.
        tint: ``[B, 9, H, W]`` float32, how far the pixel's colour is from that of each measurement's footprint, 0 to 1.
    """

    depth: Tensor
    known: Tensor
    prior: Tensor
    steep: Tensor
    tint: Tensor


class Choice(NamedTuple):
    """What the distribution over the candidates says, each ``[B, 1, H, W]``.

    Attributes:
        depth: float32, of the most probable surface or the expectation, in the input's unit; NaN without a candidate.
        sigma: float32, one standard deviation of that depth, same unit: over all candidates, not the chosen ones alone.
        probability: float32, the share of the chosen surface in the distribution.
        rival: float32, the share of the surface of the most probable candidate that is not on the chosen one.
        own: bool, the pixel's own measurement lies on the chosen surface.
    """

    depth: Tensor
    sigma: Tensor
    probability: Tensor
    rival: Tensor
    own: Tensor


class Placement(NamedTuple):
    """Where the pixels of an output lie on the grid of measured pixels.

    Attributes:
        rows: ``[H]`` int64, the measured row that each output row falls into.
        columns: ``[W]`` int64.
        offset_y: ``[H]`` float32, distance of its centre from that row's centre, in measured pixels, -0.5 to 0.5.
        offset_x: ``[W]`` float32.
    """

    rows: Tensor
    columns: Tensor
    offset_y: Tensor
    offset_x: Tensor

    @classmethod
    def of(cls, low: tuple[int, int], high: tuple[int, int], device: torch.device | None = None) -> Placement:
        """The places of ``high = (H, W)`` output pixels over ``low = (h, w)`` measured ones, at any ratio."""
        rows, offset_y = _placed(low[0], high[0], device)
        columns, offset_x = _placed(low[1], high[1], device)
        return cls(rows, columns, offset_y, offset_x)


def _placed(low: int, high: int, device: torch.device | None) -> tuple[Tensor, Tensor]:
    """Integer arithmetic, so that every backend and every tile of a frame finds the same places."""
    twice = (2 * torch.arange(high, device=device) + 1) * low  # 2 * high * (x + 1/2) / ratio
    index = torch.div(twice, 2 * high, rounding_mode="floor").clamp(0, low - 1)
    offset = (twice - (2 * index + 1) * high).to(torch.float32) / (2 * high)
    return index, offset


def _shifted(image: Tensor, dy: int, dx: int) -> Tensor:
    """``image`` at each pixel's neighbour (y + dy, x + dx); zero outside."""
    height, width = image.shape[-2:]
    if abs(dy) >= height or abs(dx) >= width:
        return torch.zeros_like(image)
    padded = F.pad(image, (max(-dx, 0), max(dx, 0), max(-dy, 0), max(dy, 0)))
    return padded[..., max(dy, 0) : max(dy, 0) + height, max(dx, 0) : max(dx, 0) + width]


def _minmod(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of two slopes of one sign, else 0: exact on planes, flat at edges."""
    return torch.where(a * b > 0, torch.where(a.abs() < b.abs(), a, b), 0.0)


def _slope(depth: Tensor, measured: Tensor, dy: int, dx: int) -> Tensor:
    """Limited slope of each measurement's plane along one axis; 0 beside a missing one."""
    ahead = (_shifted(depth, dy, dx) - depth) * measured * _shifted(measured, dy, dx)
    behind = (depth - _shifted(depth, -dy, -dx)) * measured * _shifted(measured, -dy, -dx)
    largest = LARGEST_SLOPE * depth
    return torch.minimum(torch.maximum(_minmod(ahead, behind), -largest), largest)


def nearest_measured(depth: Tensor, valid: Tensor, colour: Tensor, reach: int) -> Rays:
    """For every pixel, the measurement itself and the nearest one in each of the eight directions.

    Where everything is measured these are the pixel and its eight neighbours; beside a hole the rays cross it. The
    nearest along a ray is found by doubling: the nearest within 2n is the nearest within n, or that of the pixel n on.

    Args:
        depth: ``[B, 1, h, w]`` float32, above zero where measured.
        valid: ``[B, 1, h, w]`` bool, True where measured.
        colour: ``[B, 3, h, w]`` float32, mean colour of each measured pixel's footprint, a range of 1.
        reach: how far a ray goes, pixels, a power of two.
    """
    measured = valid.to(depth.dtype)
    slope_x, slope_y = _slope(depth, measured, 0, 1), _slope(depth, measured, 1, 0)
    here = torch.cat((measured, depth * measured, slope_x * measured, slope_y * measured, colour * measured), dim=1)
    rays = []
    for dy, dx in NEIGHBOURS:
        ray = here
        if (dy, dx) != (0, 0):
            ray = _shifted(here, dy, dx)
            step = 1
            while step < reach:
                further = _shifted(ray, dy * step, dx * step)
                distance = torch.where(further[:, :1] > 0, further[:, :1] + step, 0.0)
                ray = torch.where(ray[:, :1] > 0, ray, torch.cat((distance, further[:, 1:]), dim=1))
                step *= 2
        rays.append(ray)
    distance, reached, slope_x, slope_y = torch.stack([ray[:, :4] for ray in rays], dim=2).unbind(dim=1)
    return Rays(reached, slope_x, slope_y, distance, torch.stack([ray[:, 4:] for ray in rays], dim=1))


def as_range_of_one(rgb: Tensor) -> Tensor:
    """Colour as the choice takes it, float32 of range 1 about zero: uint8 becomes -0.5 to 0.5, floats stay."""
    return rgb.to(torch.float32) / 255.0 - 0.5 if rgb.dtype == torch.uint8 else rgb.to(torch.float32)


def footprint_colour(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """``[B, 3, s*h, s*w]`` -> ``[B, 3, h, w]``, the mean colour of each measured pixel's footprint."""
    scale = rgb.shape[-1] // size[1]
    return F.avg_pool2d(rgb, scale) if scale > 1 else rgb


def entering_features(rays: Rays) -> Tensor:
    """What the trunk sees of depth: ``[B, 18, h, w]`` float32, local and relative, nothing of the frame's range.

    Eight signed logarithms of the differences to the pixel's own depth (or, where it is missing, to the nearest
    measurement), in units of a share of that depth; eight inverse distances; whether it is measured; log depth.
    """
    own = rays.distance[:, CENTRE : CENTRE + 1] > 0
    around, distance = _around(rays.depth), _around(rays.distance)
    found = distance > 0
    nearest = around.gather(1, torch.where(found, distance, 1e6).argmin(dim=1, keepdim=True))
    reference = torch.where(own, rays.depth[:, CENTRE : CENTRE + 1], nearest)
    reference = torch.where(reference > 0, reference, 1.0)
    step = torch.where(found, (around - reference) / (STEP_SHARE * reference + STEP_FLOOR_M), 0.0)
    closeness = torch.where(found, 1.0 / distance.clamp_min(1.0), 0.0)
    return torch.cat((step.sign() * step.abs().log1p(), closeness, own.to(step.dtype), reference.log()), dim=1)


def _around(image: Tensor) -> Tensor:
    """Eight of nine channels, without the pixel itself."""
    return torch.cat((image[:, :CENTRE], image[:, CENTRE + 1 :]), dim=1)


def candidates(
    rays: Rays, placement: Placement, rgb: Tensor, limits: tuple[float, float] | Tensor = (0.0, float("inf"))
) -> Candidates:
    """Nine measurements, each continued to the output pixel along its own plane, and one smooth surface.

    Args:
        rays: of the measured pixels.
        placement: of the output pixels.
        rgb: ``[B, 3, H, W]`` float32, their colours, a range of 1.
        limits: smallest and largest depth in range; a smooth surface never passes through a measurement beyond them.

    Returns:
        What `Candidates` says.
    """

    def at(image: Tensor) -> Tensor:
        return image.index_select(-2, placement.rows).index_select(-1, placement.columns)

    depth, distance = at(rays.depth), at(rays.distance)
    number = torch.arange(9, device=depth.device).view(1, 9, 1, 1)  # of `NEIGHBOURS`; a list would come from the host
    away = torch.where(number == CENTRE, 0.0, distance)
    step_y, step_x = torch.div(number, 3, rounding_mode="floor") - 1, number % 3 - 1
    offset_y, offset_x = placement.offset_y.view(1, 1, -1, 1), placement.offset_x.view(1, 1, 1, -1)
    far_y, far_x = offset_y - step_y * away, offset_x - step_x * away
    square = far_y * far_y + far_x * far_x
    continued = torch.rsqrt((square / LONGEST_CONTINUATION**2).clamp_min(1.0))
    planes = depth + (at(rays.slope_x) * far_x + at(rays.slope_y) * far_y) * continued
    inside = torch.where((depth >= limits[0]) & (depth <= limits[1]), distance, 0.0)
    smooth, exists, steep = _smooth(depth, inside, distance, offset_y, offset_x)
    prior = torch.cat((square, torch.full_like(smooth, SMOOTH_DISTANCE2)), dim=1).log1p() * -DISTANCE_WEIGHT
    missing = distance[:, CENTRE : CENTRE + 1] == 0
    near = (distance > 0) & (missing | (distance <= FARTHEST_BESIDE_OWN))
    tint = sum((at(rays.colour[:, :, band]) - rgb[:, band : band + 1]).abs() for band in range(3)) / 3
    assert isinstance(tint, Tensor)
    return Candidates(torch.cat((planes, smooth), dim=1), torch.cat((near, exists), dim=1), prior, steep, tint)


def _smooth(
    depth: Tensor, inside: Tensor, distance: Tensor, offset_y: Tensor, offset_x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One smooth surface: bilinear among four measurements; in a hole, between the ends of the rays that cross it.

    What a camera that matches windows or smooths its depth delivers has ramps where the world has edges; there this
    candidate is the right one, and the network learns where.
    """
    bilinear, between, steep = _bilinear(depth, inside, offset_y, offset_x)
    across, crossed = _across(depth, inside)
    crossed = crossed & (distance[:, CENTRE : CENTRE + 1] == 0)
    return torch.where(crossed, across, bilinear), crossed | between, steep & ~crossed


def _bilinear(depth: Tensor, distance: Tensor, offset_y: Tensor, offset_x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    right, down = offset_x > 0, offset_y > 0

    def towards(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        each = [image[:, number : number + 1] for number in range(9)]
        corner = torch.where(down, torch.where(right, each[8], each[6]), torch.where(right, each[2], each[0]))
        return each[CENTRE], torch.where(right, each[5], each[3]), torch.where(down, each[7], each[1]), corner

    own, beside, below, corner = towards(depth)
    x, y = offset_x.abs(), offset_y.abs()
    value = (1 - x) * (1 - y) * own + x * (1 - y) * beside + (1 - x) * y * below + x * y * corner
    near = [each == 1 for each in towards(distance)]
    least = torch.minimum(torch.minimum(own, beside), torch.minimum(below, corner))
    most = torch.maximum(torch.maximum(own, beside), torch.maximum(below, corner))
    return value, near[0] & near[1] & near[2] & near[3], most - least > SMOOTH_STEP * least


def _across(depth: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Linear between opposite ends of the rays that may lie on one surface, the shorter pairs weighing more."""
    total, weights = torch.zeros_like(depth[:, :1]), torch.zeros_like(depth[:, :1])
    for first, second, diagonal in ((1, 7, False), (3, 5, False), (0, 8, True), (2, 6, True)):
        here, there = distance[:, first : first + 1], distance[:, second : second + 1]
        length = (here + there).clamp_min(1.0)
        one, other = depth[:, first : first + 1], depth[:, second : second + 1]
        value = (one * there + other * here) / length
        alike = (one - other).abs() <= SMOOTH_STEP * torch.minimum(one, other)
        weight = torch.where((here > 0) & (there > 0) & alike, 1.0 / (length * length * (2 if diagonal else 1)), 0.0)
        total, weights = total + value * weight, weights + weight
    return total / weights.clamp_min(1e-9), weights > 0


def distribution(found: Candidates, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The network's answer -> scores of the candidates, whose softmax is their probability, and the Laplace width.

    A candidate's score is its logit and its prior by distance, less what the colours speak against it: how much a
    difference of colour counts is for the network to say, place by place.

    Args:
        found: the candidates of each output pixel.
        logits: ``[B, 20, H, W]`` float32, of `SurfaceNetwork.forward`.

    Returns:
        ``[B, 10, H, W]``, and ``[B, 1, H, W]`` as a share of the depth.
    """
    scores = logits[:, :CANDIDATES] + found.prior
    against = logits[:, CANDIDATES + 1 :].clamp(*TINT_RANGE).exp() * (TINT * found.tint)
    scores = torch.cat((scores[:, :9] - against, scores[:, 9:]), dim=1)
    width = logits[:, CANDIDATES : CANDIDATES + 1].clamp(*WIDTH_RANGE).exp() * WIDTH
    return torch.where(found.known, scores, _NONE), width


def choose(
    found: Candidates,
    logits: Tensor,
    *,
    mean: bool | Tensor = False,
    limits: tuple[float, float] | Tensor = (0.0, float("inf")),
) -> Choice:
    """Read the distribution over the candidates: the most probable surface, or the expectation.

    The most probable surface is the candidate around which most probability lies, within the tolerance of one surface;
    its depth is the average over the candidates on it, so noise is averaged and surfaces are not.

    Args:
        found: the candidates of each output pixel.
        logits: ``[B, 20, H, W]`` float32, of `SurfaceNetwork.forward`.
        mean: the expectation over all candidates in range (for tables of RMSE) instead of the most probable surface.
        limits: smallest and largest depth in range.
    """
    exists = torch.cat((found.known[:, :9], found.known[:, 9:] & (~found.steep | mean)), dim=1)
    found = found._replace(known=exists)
    scores, width = distribution(found, logits)
    share = torch.softmax(scores, dim=1) * exists
    tolerance = (SAME_SURFACE_WIDTHS * width).clamp_min(SAME_SURFACE) * found.depth
    best = torch.zeros_like(share[:, :1])
    centre, reach = torch.zeros_like(best), torch.zeros_like(best)
    for number in range(CANDIDATES):
        one, near = found.depth[:, number : number + 1], tolerance[:, number : number + 1]
        mass = torch.where((found.depth - one).abs() < near, share, 0.0).sum(dim=1, keepdim=True)
        better = exists[:, number : number + 1] & (mass > best)
        best, centre = torch.where(better, mass, best), torch.where(better, one, centre)
        reach = torch.where(better, near, reach)
    near = (found.depth - centre).abs() < reach
    on, off = torch.where(near, share, 0.0), torch.where(near, 0.0, share)
    most, which = off.max(dim=1, keepdim=True)
    other, around = found.depth.gather(1, which), tolerance.gather(1, which)
    rival = torch.where((found.depth - other).abs() < around, off, 0.0).sum(dim=1, keepdim=True) * (most > 0)
    if mean is not False:
        in_range = (found.depth >= limits[0]) & (found.depth <= limits[1])
        on = torch.where((centre >= limits[0]) & (centre <= limits[1]) & mean, share * in_range, on)
    total = on.sum(dim=1, keepdim=True)
    depth = (on * found.depth).sum(dim=1, keepdim=True) / total.clamp_min(1e-12)
    spread = (share * (found.depth - depth).square()).sum(dim=1, keepdim=True)
    sigma = (SPREAD_VARIANCE * spread + WIDTH_VARIANCE * (width * depth).square()).sqrt()
    own = exists[:, CENTRE : CENTRE + 1] & ((found.depth[:, CENTRE : CENTRE + 1] - depth).abs() < reach)
    nothing = ~exists.any(dim=1, keepdim=True)
    return Choice(depth.masked_fill(nothing, torch.nan), sigma.masked_fill(nothing, torch.nan), best, rival, own)
