"""Boxes of several colours and depths before a wall: depth edges whose colour edges are known."""

import numpy as np

SIZE = (240, 320)


def boxes(seed=0, offset=(0, 0), size=SIZE, count=14):
    """Depth ``[H, W]`` float32 metres, colour ``[H, W, 3]`` uint8; depth moved by `offset` lies on colour."""
    dice = np.random.default_rng(seed)
    margin = 20
    height, width = size[0] + 2 * margin, size[1] + 2 * margin
    depth = np.full((height, width), 4.0, np.float32)
    rgb = np.full((height, width, 3), 120.0, np.float32)
    for distance in np.linspace(3.2, 1.0, count):
        h, w = dice.integers(size[0] // 8, size[0] // 3), dice.integers(size[1] // 8, size[1] // 3)
        y, x = dice.integers(0, height - h), dice.integers(0, width - w)
        depth[y : y + h, x : x + w] = distance
        rgb[y : y + h, x : x + w] = dice.integers(20, 236, 3)
    rgb += dice.normal(0, 3, rgb.shape)
    seen = depth[margin + offset[1] :, margin + offset[0] :][: size[0], : size[1]]
    return np.ascontiguousarray(seen), cropped(rgb, margin, size)


def cropped(rgb, margin, size):
    inner = rgb[margin : margin + size[0], margin : margin + size[1]]
    return np.ascontiguousarray(inner.clip(0, 255).astype(np.uint8))


def textured_wall(seed=0, size=SIZE):
    """A flat wall, measured with noise, and a strong texture on it."""
    dice = np.random.default_rng(seed)
    depth = (2.0 + dice.normal(0, 0.004, size)).astype(np.float32)
    patches = dice.integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    return depth, np.ascontiguousarray(patches.repeat(8, axis=0).repeat(8, axis=1))
