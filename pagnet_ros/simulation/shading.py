"""Light and the colour camera: from surfaces to 8-bit RGB.

``shade`` turns albedo and normals into radiance under a lamp with a soft-edged shadow, a directional light and an
ambient term; ``expose`` turns radiance into what a small colour camera delivers: exposure, blur, vignette, noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pagnet_ros.sensors.camera import FloatArray, PinholeCamera, look_at
from pagnet_ros.simulation.raster import Attributes, rasterize
from pagnet_ros.simulation.surfaces import Surfaces
from pagnet_ros.simulation.textures import PatternBank, sampling_grid

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    """The lights of a scene.

    Attributes:
        ambient: Radiance from everywhere [3], >= 0; a little stronger from above.
        sun: Colour [3] of a directional light, >= 0.
        sun_direction: Unit vector [3] towards it, world frame.
        lamp: Colour [3] of a point light at one metre, >= 0.
        lamp_position: World position [3], metres.
        lamp_target: Where the lamp's shadows are resolved [3], metres.
        shadows: Whether the lamp casts shadows.
    """

    ambient: Color = (0.35, 0.35, 0.35)
    sun: Color = (0.4, 0.4, 0.4)
    sun_direction: tuple[float, float, float] = (0.0, -0.6, 0.8)
    lamp: Color = (1.5, 1.4, 1.2)
    lamp_position: tuple[float, float, float] = (0.0, 0.0, 2.2)
    lamp_target: tuple[float, float, float] = (0.0, 1.0, 0.0)
    shadows: bool = True


@dataclass(frozen=True)
class ColorOptics:
    """The colour camera apart from its geometry.

    Attributes:
        mean_level: Linear mean of the image the automatic exposure aims at, in (0, 1).
        white_balance: Gains [3] of the channels.
        blur_px: Standard deviation of the lens blur in pixels, 0 to 1.5.
        shot_noise: Standard deviation of the noise at full scale, falling with the root of the level, 0 to 0.2.
        read_noise: Standard deviation of the noise in the dark, 0 to 0.1.
        vignette: Loss of light in the corners, 0 to 0.8.
        contrast: Strength of the S-shaped tone curve, 0 to 1.
    """

    mean_level: float = 0.22
    white_balance: Color = (1.0, 1.0, 1.0)
    blur_px: float = 0.5
    shot_noise: float = 0.02
    read_noise: float = 0.004
    vignette: float = 0.15
    contrast: float = 0.4


@dataclass(frozen=True)
class ShadowMap:
    """Distances seen from the lamp, as mean and mean square over a few texels (a variance shadow map)."""

    camera: PinholeCamera
    pose: FloatArray
    moments: torch.Tensor

    @classmethod
    def of(cls, lighting: Lighting, surfaces: Surfaces, bank: PatternBank, device: torch.device | str) -> ShadowMap:
        """Render the scene from the lamp, 256 x 256 pixels over 110 degrees."""
        camera = PinholeCamera.from_fov(256, 256, 110.0)
        pose = look_at(lighting.lamp_position, lighting.lamp_target)
        depth = rasterize(surfaces, bank, camera, pose, device).depth.clamp(max=20.0)
        return cls(camera, pose, blur(torch.stack((depth, depth * depth)), 1.0)[None])

    def lit(self, points: torch.Tensor, camera_pose: FloatArray) -> torch.Tensor:
        """Share of lamp light [H, W] in [0, 1] that reaches camera points [3, H, W]; 1 outside the map.

        Args:
            points: Camera-frame points.
            camera_pose: World-from-camera matrix of that frame.
        """
        m = (np.linalg.inv(self.pose) @ camera_pose).tolist()
        x, y, z = (
            (points[0] * m[i][0]).add_(points[1], alpha=m[i][1]).add_(points[2], alpha=m[i][2]).add_(m[i][3])
            for i in range(3)
        )
        scale = z.clamp_(min=0.05).reciprocal().mul_(2 * self.camera.fx / self.camera.width)
        grid = sampling_grid(x.mul_(scale), y.mul_(scale))
        mean, square = torch.nn.functional.grid_sample(self.moments, grid, padding_mode="border", align_corners=False)[
            0
        ]
        variance = square.addcmul_(mean, mean, value=-1).clamp_(min=4e-4)
        behind = z.sub_(mean).sub_(0.02).clamp_(min=0)
        # Chebyshev's bound; its lowest part is cut off, since it would let light leak where shadows overlap.
        open_sky = variance / (behind.mul_(behind).add_(variance))
        share: torch.Tensor = open_sky.sub_(0.25).mul_(1 / 0.75).clamp_(0, 1)
        return share.masked_fill_(torch.maximum(x.abs_(), y.abs_()) > 0.98, 1.0)


def shade(
    albedo: torch.Tensor,
    specular: torch.Tensor,
    depth: torch.Tensor,
    attributes: Attributes,
    camera: PinholeCamera,
    pose: FloatArray,
    lighting: Lighting,
    shadow: ShadowMap | None,
) -> torch.Tensor:
    """Radiance [3, H, W] of albedo [3, H, W] under the scene's lights.

    Args:
        albedo: Reflectivity in [0, 1].
        specular: Strength of the highlight [H, W].
        depth: Metres [H, W].
        attributes: Normals of the visible surfaces.
        camera: Intrinsics.
        pose: World-from-camera matrix [4, 4].
        lighting: The lights.
        shadow: The lamp's shadow map, or None for no shadows.
    """
    normal = attributes.normal
    x, y = camera.rays(depth.device)
    points = torch.stack((x * depth, y * depth, depth.clamp(max=1e3)))
    rotation = pose[:3, :3].T

    def dot(vector: np.ndarray) -> torch.Tensor:
        a, b, c = (float(value) for value in vector)
        return (normal[0] * a).add_(normal[1], alpha=b).add_(normal[2], alpha=c)

    up = dot(rotation @ np.array([0.0, 0.0, 1.0])) * 0.25 + 0.75
    sun = dot(rotation @ np.asarray(lighting.sun_direction)).clamp_(min=0)
    lamp = rotation @ (np.asarray(lighting.lamp_position) - pose[:3, 3])
    to_lamp = torch.stack([float(lamp[i]) - points[i] for i in range(3)])
    squared = (to_lamp * to_lamp).sum(0).clamp_(min=0.05)
    facing = ((normal * to_lamp).sum(0) * squared.rsqrt()).clamp_(min=0)
    strength = facing / (squared + 0.3)
    if shadow is not None:
        strength = strength * shadow.lit(points, pose)
    light = torch.stack(
        [up * lighting.ambient[i] + sun * lighting.sun[i] + strength * lighting.lamp[i] for i in range(3)]
    )
    radiance = light.mul_(albedo)
    shiny = specular.flatten().nonzero()[:, 0]
    if len(shiny):
        parts = [value.flatten(-2).index_select(-1, shiny) for value in (normal, points, to_lamp, squared, strength)]
        gloss = _highlight(*parts).mul_(specular.flatten().index_select(0, shiny)).mul_(1.2)
        radiance.view(3, -1).index_add_(1, shiny, gloss.expand(3, -1))
    return radiance


def _highlight(
    normal: torch.Tensor,
    points: torch.Tensor,
    to_lamp: torch.Tensor,
    squared: torch.Tensor,
    strength: torch.Tensor,
) -> torch.Tensor:
    """Blinn's highlight [N] with an exponent of 32."""
    half = to_lamp * squared.rsqrt() - points * (points * points).sum(0).clamp_(min=1e-6).rsqrt()
    cosine = (normal * half).sum(0) * (half * half).sum(0).clamp_(min=1e-6).rsqrt()
    power = cosine.clamp_(min=0)
    for _ in range(5):
        power = power.mul_(power)
    return power * strength


def expose(radiance: torch.Tensor, optics: ColorOptics, camera: PinholeCamera, noise: torch.Generator) -> torch.Tensor:
    """Radiance [3, H, W] -> RGB uint8 [H, W, 3]: exposure, vignette, blur, noise, tone curve."""
    # A sparse mean: short enough that the number of threads cannot change its rounding.
    gain = optics.mean_level / max(float(radiance[:, ::8, ::8].mean()), 1e-4)
    x, y = camera.rays(radiance.device)
    corner = (camera.width**2 + camera.height**2) / (4 * camera.fx**2)
    light = 1 - (x * x + y * y) * (optics.vignette / corner)
    balance = torch.tensor(optics.white_balance, device=radiance.device)[:, None, None] * gain
    image = blur(radiance * (balance * light), optics.blur_px).clamp_(0, 1.3)
    # One field, shifted per channel: pixels of different channels at one place stay independent.
    height, width = image.shape[-2:]
    field = torch.randn((height + 6, width + 10), generator=noise, device=radiance.device)
    grain = torch.stack([field[i : i + height, j : j + width] for i, j in ((0, 0), (3, 10), (6, 3))])
    sigma = (image * optics.shot_noise**2 + optics.read_noise**2).sqrt_()
    image = image.addcmul_(sigma, grain).clamp_(0, 1).sqrt_()
    curved = (3 - 2 * image).mul_(image).mul_(image)
    image = image.lerp_(curved, optics.contrast)
    return (image * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).contiguous()


def blur(image: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Gaussian blur of [..., H, W] with three taps, five from 0.65 pixels on; border pixels are repeated."""
    if sigma_px < 0.05:
        return image
    reach = 1 if sigma_px < 0.65 else 2
    taps = torch.exp(-(torch.arange(reach + 1.0) ** 2) / (2 * sigma_px**2))
    weights = (taps / (taps[0] + 2 * taps[1:].sum())).tolist()
    for axis in (-1, -2):
        size = image.shape[axis]
        total = image * weights[0]
        for offset in range(1, reach + 1):
            rest = size - offset
            total.narrow(axis, offset, rest).add_(image.narrow(axis, 0, rest), alpha=weights[offset])
            total.narrow(axis, 0, rest).add_(image.narrow(axis, offset, rest), alpha=weights[offset])
            total.narrow(axis, 0, offset).add_(image.narrow(axis, 0, 1), alpha=weights[offset])
            total.narrow(axis, rest, offset).add_(image.narrow(axis, size - 1, 1), alpha=weights[offset])
        image = total
    return image
