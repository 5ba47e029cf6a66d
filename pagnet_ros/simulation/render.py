"""Scene + camera + pose -> a frame with known truth. Data flows scene -> raster -> shading -> frame.

``Renderer`` keeps what belongs to a scene alone: tables and the shadow map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.sensors.camera import PinholeCamera, check_pose
from pagnet_ros.simulation.raster import FAR_M, SurfaceTables, rasterize, surface_attributes
from pagnet_ros.simulation.scene import Scene
from pagnet_ros.simulation.shading import ShadowMap, expose, shade
from pagnet_ros.simulation.textures import pattern_bank


@dataclass(frozen=True)
class RenderedFrame:
    """A frame with known truth.

    Attributes:
        rgb: uint8 [H, W, 3].
        depth_m: Depth along the optical axis (not the ray), float32 [H, W] metres; NaN where nothing is hit.
        albedo: Grey reflectivity, float32 [H, W] in [0, 1]; what an active sensor's light meets.
        cos_incidence: Cosine between ray and normal, float32 [H, W] in [0, 1].
        normal: Unit normals towards the camera, float32 [H, W, 3], optical frame.
        surface: Number of the visible surface, int32 [H, W].
        camera: Its intrinsics.
    """

    rgb: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    albedo: npt.NDArray[np.float32]
    cos_incidence: npt.NDArray[np.float32]
    normal: npt.NDArray[np.float32]
    surface: npt.NDArray[np.int32]
    camera: PinholeCamera


class Renderer:
    """Renders one scene from any viewpoint.

    Args:
        scene: The scene.
        device: Torch device for all work. The same call gives the same bits on the same machine and number of
            threads; geometry is the same everywhere up to float32 rounding, RGB noise differs between devices.
    """

    def __init__(self, scene: Scene, device: torch.device | str = "cpu") -> None:
        self.scene = scene
        self.device = torch.device(device)
        self._bank = pattern_bank(scene.bank_seed, str(self.device))
        self._tables = SurfaceTables.build(scene.surfaces, self.device)
        materials = scene.surfaces.material
        self._texture = self._column([m.texture for m in materials])
        self._color = [
            (self._column([m.color_a[i] for m in materials]), self._column([m.color_b[i] for m in materials]))
            for i in range(3)
        ]
        self._specular = self._column([m.specular for m in materials])
        self._shadow: ShadowMap | None = None
        if scene.lighting.shadows:
            self._shadow = ShadowMap.of(scene.lighting, scene.surfaces, self._bank, self.device)

    def _column(self, values: list[float] | list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def __call__(
        self, camera: PinholeCamera, pose: npt.ArrayLike | None = None, *, noise_seed: int = 0
    ) -> RenderedFrame:
        """Render a view.

        Args:
            camera: Intrinsics and size.
            pose: World-from-camera matrix [4, 4]; the scene's viewpoint if None.
            noise_seed: Seed of the RGB noise, for instance the frame number.
        """
        scene = self.scene
        matrix = scene.viewpoint if pose is None else check_pose(pose)
        visible = rasterize(scene.surfaces, self._bank, camera, matrix, self.device)
        missed = visible.surface < 0
        visible.surface.clamp_(min=0)
        attributes = surface_attributes(
            visible, scene.surfaces, self._tables, self._bank, camera, matrix, scene.viewpoint
        )
        flat = visible.surface.flatten()

        def pick(column: torch.Tensor) -> torch.Tensor:
            return column.index_select(0, flat).view(visible.depth.shape)

        pattern = self._bank.colours(pick(self._texture), attributes.u, attributes.v, attributes.texels)
        albedo = torch.stack([pick(a).lerp_(pick(b), pattern[i]) for i, (a, b) in enumerate(self._color)])
        radiance = shade(
            albedo,
            pick(self._specular),
            visible.depth,
            attributes,
            camera,
            matrix,
            scene.lighting,
            self._shadow,
        )
        radiance.masked_fill_(missed, 0.0)
        generator = torch.Generator(self.device)
        generator.manual_seed(noise_seed * 1_000_003 + scene.seed)
        depth = visible.depth.masked_fill_(missed | (visible.depth >= FAR_M), float("nan"))
        return RenderedFrame(
            rgb=expose(radiance, scene.optics, camera, generator).cpu().numpy(),
            depth_m=depth.cpu().numpy(),
            albedo=albedo.mean(0).cpu().numpy(),
            cos_incidence=attributes.cos_incidence.cpu().numpy(),
            normal=attributes.normal.permute(1, 2, 0).contiguous().cpu().numpy(),
            surface=visible.surface.cpu().numpy(),
            camera=camera,
        )
