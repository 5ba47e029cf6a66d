"""``python -m studies.solvers``: `pagnet_training.evaluate` with the bilateral solver and TGV as further baselines.

Each solves an optimisation per frame, in NumPy only, and starts from the bicubic result where it needs a dense guess;
neither is meant to be fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training import evaluate
from pagnet_training.baselines import BASELINES
from pagnet_training.protocol import Upsampler, smooth_bicubic

__all__ = ["METHODS", "bilateral_solver", "main", "tgv"]

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]
Field = NDArray[np.float64]


def bilateral_solver(low: Depth, rgb: Colour, scale: int) -> Depth:
    """Fast bilateral solver (Barron and Poole 2016), robust-free, on a simplified five-dimensional bilateral grid.

    Target: bicubic up-sampling, trusted most at the centres of measured pixels (their super-resolution set-up);
    cells of `scale` pixels, 6 luma and 8 chroma levels; smoothness 4^(log2 s - 0.5).
    """
    height, width = rgb.shape[:2]
    grid = _BilateralGrid(rgb, float(scale), 6.0, 8.0)
    target = smooth_bicubic(low, rgb, scale).astype(np.float64).ravel()
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    bump: Field = np.exp(-0.5 * (offset / 0.25) ** 2)
    confidence = np.tile(np.outer(bump, bump), (height // scale, width // scale)).ravel()
    smoothness = float(4.0 ** (np.log2(scale) - 0.5))
    splat_confidence, right = grid.splat(confidence), grid.splat(confidence * target)

    def system(values: Field) -> Field:
        smooth = grid.mass * values - grid.norm * grid.blur(grid.norm * values)
        return np.asarray(smoothness * smooth + splat_confidence * values)

    diagonal = smoothness * (grid.mass - grid.norm**2 * grid.centre) + splat_confidence
    solution = _conjugate_gradients(system, right, right / np.maximum(splat_confidence, 1e-9), diagonal, 40)
    return np.asarray(solution[grid.cell].reshape(height, width), np.float32)


class _BilateralGrid:
    """Occupied cells of the bilateral grid, made bistochastic.

    Attributes:
        cell: ``[H*W]`` cell number of each pixel.
        mass, norm: ``[cells]`` diagonals Dm and Dn of the paper.
        centre: weight of a cell in its own blur.
    """

    def __init__(self, rgb: Colour, space: float, luma: float, chroma: float) -> None:
        height, width = rgb.shape[:2]
        yuv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float64)
        rows, columns = np.mgrid[0:height, 0:width]
        axes = [rows / space, columns / space, yuv[..., 0] / luma, yuv[..., 1] / chroma, yuv[..., 2] / chroma]
        coordinates = [np.floor(axis).astype(np.int64).ravel() + 1 for axis in axes]
        strides = np.cumprod([1] + [int(axis.max()) + 2 for axis in coordinates[:-1]])
        keys = np.sum([axis * int(stride) for axis, stride in zip(coordinates, strides, strict=True)], axis=0)
        occupied, cell = np.unique(keys, return_inverse=True)
        self.cell = cell.ravel()
        self.centre = 2.0 * len(strides)
        self._neighbours = []
        for stride in strides:
            for step in (-int(stride), int(stride)):
                at = np.searchsorted(occupied, occupied + step).clip(0, len(occupied) - 1)
                present = np.flatnonzero(occupied[at] == occupied + step)
                self._neighbours.append((present, at[present]))
        self.mass = self.splat(np.ones(height * width))
        self.norm = np.ones(len(occupied))
        for _ in range(10):
            self.norm = np.sqrt(self.norm * self.mass / self.blur(self.norm))
        self.mass = self.norm * self.blur(self.norm)

    def splat(self, values: Field) -> Field:
        """Sum pixels into cells."""
        return np.asarray(np.bincount(self.cell, values, minlength=int(self.cell.max()) + 1), np.float64)

    def blur(self, values: Field) -> Field:
        """[1 2 1] along each of the five axes, summed."""
        blurred = self.centre * values
        for present, neighbour in self._neighbours:
            blurred[present] += values[neighbour]
        return blurred


def _conjugate_gradients(
    system: Callable[[Field], Field], right: Field, start: Field, diagonal: Field, steps: int
) -> Field:
    """Preconditioned conjugate gradients (Jacobi)."""
    solution = start.copy()
    residual = right - system(solution)
    scaled = residual / diagonal
    direction, energy = scaled.copy(), float(residual @ scaled)
    for _ in range(steps):
        if energy < 1e-9:
            break
        moved = system(direction)
        length = energy / float(direction @ moved)
        solution += length * direction
        residual -= length * moved
        scaled = residual / diagonal
        before, energy = energy, float(residual @ scaled)
        direction = scaled + (energy / before) * direction
    return np.asarray(solution)


def tgv(low: Depth, rgb: Colour, scale: int, iterations: int = 1000) -> Depth:
    """Second-order total generalised variation with an anisotropic diffusion tensor (Ferstl et al. 2013).

    Data term: the bicubic value at the pixel nearest each measured pixel's centre, all but binding because the input
    is noise-free. Solved by the primal-dual scheme of Chambolle and Pock, for depth scaled to 0..1.
    """
    low_value, span = float(low.min()), max(float(np.ptp(low)), 1e-6)
    tensor = _diffusion_tensor(rgb)
    data, weight = np.zeros(rgb.shape[:2]), np.zeros(rgb.shape[:2])
    u = (smooth_bicubic(low, rgb, scale).astype(np.float64) - low_value) / span
    centres = (slice(scale // 2, None, scale), slice(scale // 2, None, scale))
    data[centres], weight[centres] = u[centres], 2000.0
    v, p, q = np.zeros((2, *u.shape)), np.zeros((2, *u.shape)), np.zeros((4, *u.shape))
    u_bar, v_bar = u.copy(), v.copy()
    first, second, sigma, tau = 1.0, 2.0, 1.0 / 6.5, 1.0 / 6.5  # below 1 / (norm of the operator)
    for _ in range(iterations):
        p = p + sigma * first * _apply(tensor, _gradient(u_bar) - v_bar)
        p /= np.maximum(1.0, np.sqrt((p**2).sum(axis=0)))
        q = q + sigma * second * np.concatenate((_gradient(v_bar[0]), _gradient(v_bar[1])))
        q /= np.maximum(1.0, np.sqrt((q**2).sum(axis=0)))
        u_before, v_before = u, v
        pulled = _apply(tensor, p)
        u = u + tau * first * _divergence(pulled)
        u = (u + tau * weight * data) / (1 + tau * weight)
        v = v + tau * (first * pulled + second * np.stack((_divergence(q[:2]), _divergence(q[2:]))))
        u_bar, v_bar = 2 * u - u_before, 2 * v - v_before
    return np.asarray(u * span + low_value, np.float32)


def _diffusion_tensor(rgb: Colour) -> tuple[Field, Field, Field]:
    """Symmetric tensor ``(a, b, c)`` = exp(-9 |g|^0.85) n n' + m m', n along the grey image's gradient g."""
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) / 255
    grey = np.asarray(cv2.GaussianBlur(luma, (0, 0), 0.7), np.float64)
    gradient = _gradient(grey)
    size = np.sqrt((gradient**2).sum(axis=0))
    along = np.where(size > 1e-6, gradient / np.maximum(size, 1e-6), np.array([1.0, 0.0])[:, None, None])
    across = np.exp(-9.0 * size**0.85)
    a = across * along[0] ** 2 + along[1] ** 2
    b = (across - 1.0) * along[0] * along[1]
    c = across * along[1] ** 2 + along[0] ** 2
    return a, b, c


def _apply(tensor: tuple[Field, Field, Field], field: Field) -> Field:
    a, b, c = tensor
    return np.stack((a * field[0] + b * field[1], b * field[0] + c * field[1]))


def _gradient(u: Field) -> Field:
    """Forward differences ``[2, H, W]`` (columns, rows), zero at the far border."""
    gradient = np.zeros((2, *u.shape))
    gradient[0, :, :-1] = u[:, 1:] - u[:, :-1]
    gradient[1, :-1] = u[1:] - u[:-1]
    return gradient


def _divergence(field: Field) -> Field:
    """Negative adjoint of `_gradient`."""
    divergence = np.zeros(field.shape[1:])
    divergence[:, :-1] += field[0, :, :-1]
    divergence[:, 1:] -= field[0, :, :-1]
    divergence[:-1] += field[1, :-1]
    divergence[1:] -= field[1, :-1]
    return divergence


METHODS: dict[str, Upsampler] = {**BASELINES, "bilateral-solver": bilateral_solver, "tgv": tgv}


def main(arguments: list[str] | None = None) -> int:
    """Command line of `pagnet_training.evaluate`; returns the exit status."""
    return evaluate.main(arguments, METHODS)


if __name__ == "__main__":
    sys.exit(main())
