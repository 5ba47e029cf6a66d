"""What a scene is made of: cards, ellipsoids and cones in a structure of arrays, and the builder that fills it.

Every surface is a unit shape in its own scaled frame: a card is the square [-1, 1] x [-1, 1] of the plane z = 0
(whole, round, cut out, or unbounded), an ellipsoid the unit sphere, a cone the side ``x^2 + y^2 = (1 + taper z)^2``
for |z| <= 1. A box is six cards. Layouts write through ``SurfaceBuilder``; the renderer reads ``Surfaces``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pagnet_ros.sensors.camera import FloatArray

CARD, ELLIPSOID, CONE = 0, 1, 2
UNBOUNDED, SQUARE, ROUND = -3, -2, -1  # outlines; 0 and above are cut-out numbers

Vector = Sequence[float] | FloatArray


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        texture: Number in the pattern bank.
        color_a: Albedo [3] in [0, 1] where the pattern is 0.
        color_b: Albedo [3] in [0, 1] where the pattern is 1.
        repeats_per_m: Pattern tiles per metre, > 0.
        angle: Rotation of the pattern on the surface, radians.
        offset: Shift [2] in tiles.
        specular: Strength of the highlight, 0 (matt) to 1.
        projected: The pattern is thrown from the scene's default viewpoint like a slide, so that it runs on
            unbroken across depth edges; ``repeats_per_m`` then counts per unit of ray slope.
    """

    texture: int = 0
    color_a: tuple[float, float, float] = (0.6, 0.6, 0.6)
    color_b: tuple[float, float, float] = (0.3, 0.3, 0.3)
    repeats_per_m: float = 1.0
    angle: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)
    specular: float = 0.0
    projected: bool = False


@dataclass(frozen=True)
class Surfaces:
    """K surfaces, read-only arrays.

    Attributes:
        kind: CARD, ELLIPSOID or CONE, int [K].
        rotation: World from local [K, 3, 3].
        centre: World position [K, 3], metres.
        half_size: Half extents along the local axes [K, 3], metres, > 0.
        outline: UNBOUNDED, SQUARE, ROUND or a cut-out number, int [K] (cards only).
        taper: Relative change of a cone's radius over its half height [K], within [-1, 1].
        relief: Relief number or -1, int [K] (cards only).
        relief_m: Height of the relief along the ray [K], metres.
        decal: A card that only recolours the surface it lies on, bool [K].
        one_sided: A card that is not seen from behind, bool [K].
        material: Appearance [K].
    """

    kind: npt.NDArray[np.int64]
    rotation: FloatArray
    centre: FloatArray
    half_size: FloatArray
    outline: npt.NDArray[np.int64]
    taper: FloatArray
    relief: npt.NDArray[np.int64]
    relief_m: FloatArray
    decal: npt.NDArray[np.bool_]
    one_sided: npt.NDArray[np.bool_]
    material: tuple[Material, ...]

    def __len__(self) -> int:
        return len(self.kind)


def rotation_euler(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> FloatArray:
    """Rotation ``Rz(yaw) Ry(pitch) Rx(roll)`` [3, 3], radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rotation_facing(normal: Vector, roll: float = 0.0) -> FloatArray:
    """Rotation [3, 3] whose z axis is ``normal`` and whose y axis points as far up as it can, then rolled."""
    zx, zy, zz = (float(value) for value in normal)
    length = math.sqrt(zx * zx + zy * zy + zz * zz)
    zx, zy, zz = zx / length, zy / length, zz / length
    if abs(zz) < 0.99:
        yx, yy, yz = -zz * zx, -zz * zy, 1 - zz * zz
    else:
        yx, yy, yz = -zy * zx, 1 - zy * zy, -zy * zz
    length = math.sqrt(yx * yx + yy * yy + yz * yz)
    yx, yy, yz = yx / length, yy / length, yz / length
    xx, xy, xz = yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx
    c, s = math.cos(roll), math.sin(roll)
    return np.array(
        (
            (c * xx + s * yx, c * yx - s * xx, zx),
            (c * xy + s * yy, c * yy - s * xy, zy),
            (c * xz + s * yz, c * yz - s * xz, zz),
        )
    )


_FACES = [
    (np.array(axes, dtype=np.float64).T, order)
    for axes, order in (
        (((0, 1, 0), (0, 0, 1), (1, 0, 0)), (1, 2, 0)),
        (((0, -1, 0), (0, 0, 1), (-1, 0, 0)), (1, 2, 0)),
        (((-1, 0, 0), (0, 0, 1), (0, 1, 0)), (0, 2, 1)),
        (((1, 0, 0), (0, 0, 1), (0, -1, 0)), (0, 2, 1)),
        (((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 1, 2)),
        (((1, 0, 0), (0, -1, 0), (0, 0, -1)), (0, 1, 2)),
    )
]


@dataclass
class SurfaceBuilder:
    """Collects surfaces; ``build`` freezes them."""

    _rotations: list[FloatArray] = field(default_factory=list)
    _vectors: list[float] = field(default_factory=list)
    _numbers: list[tuple[int, int, int, bool, bool]] = field(default_factory=list)
    _scalars: list[tuple[float, float]] = field(default_factory=list)
    _materials: list[Material] = field(default_factory=list)

    def _add(
        self,
        kind: int,
        rotation: FloatArray,
        centre: Vector,
        half_size: Vector,
        material: Material,
        outline: int = SQUARE,
        taper: float = 0.0,
        relief: int = -1,
        relief_m: float = 0.0,
        decal: bool = False,
        one_sided: bool = False,
    ) -> None:
        self._rotations.append(rotation)
        self._vectors += (*centre, *half_size)
        self._numbers.append((kind, outline, relief, decal, one_sided))
        self._scalars.append((taper, relief_m))
        self._materials.append(material)

    def card(
        self,
        rotation: FloatArray,
        centre: Vector,
        half_size: tuple[float, float],
        material: Material,
        *,
        outline: int = SQUARE,
        relief: int = -1,
        relief_m: float = 0.0,
        decal: bool = False,
        one_sided: bool = False,
    ) -> None:
        """A flat or gently bent sheet whose normal is the local z axis."""
        size = (half_size[0], half_size[1], 1.0)
        self._add(CARD, rotation, centre, size, material, outline, 0.0, relief, relief_m, decal, one_sided or decal)

    def plane(self, normal: Vector, point: Vector, material: Material) -> None:
        """An unbounded plane, seen from the side its normal points to."""
        self.card(rotation_facing(normal), point, (1.0, 1.0), material, outline=UNBOUNDED, one_sided=True)

    def box(self, rotation: FloatArray, centre: Vector, half_size: Vector, material: Material) -> None:
        """A solid box: six cards seen from outside."""
        centre = np.asarray(centre, dtype=np.float64)
        for axes, (iu, iv, iw) in _FACES:
            frame = rotation @ axes
            self.card(
                frame,
                centre + frame[:, 2] * half_size[iw],
                (half_size[iu], half_size[iv]),
                material,
                one_sided=True,
            )

    def ellipsoid(self, rotation: FloatArray, centre: Vector, half_size: Vector, material: Material) -> None:
        """A solid ellipsoid with the given semi-axes."""
        self._add(ELLIPSOID, rotation, centre, half_size, material)

    def cone(
        self,
        rotation: FloatArray,
        centre: Vector,
        half_size: Vector,
        material: Material,
        *,
        taper: float = 0.0,
        bottom: bool = True,
        top: bool = True,
    ) -> None:
        """A cylinder or truncated cone along the local z axis, with discs at the ends asked for."""
        self._add(CONE, rotation, centre, half_size, material, taper=taper)
        for end, wanted in ((-1.0, bottom), (1.0, top)):
            scale = 1 + taper * end
            if wanted and scale > 0.02:
                self.card(
                    rotation,
                    np.asarray(centre) + rotation[:, 2] * end * half_size[2],
                    (half_size[0] * scale, half_size[1] * scale),
                    material,
                    outline=ROUND,
                )

    def pole(self, start: Vector, end: Vector, radius: float, material: Material) -> None:
        """A thin round bar between two points."""
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        self._add(
            CONE,
            rotation_facing(b - a),
            (a + b) / 2,
            (radius, radius, max(1e-4, float(np.linalg.norm(b - a)) / 2)),
            material,
        )

    def build(self) -> Surfaces:
        """The surfaces collected so far, as read-only arrays."""
        kind, outline, relief, decal, one_sided = np.array(self._numbers, dtype=np.int64).T
        taper, relief_m = np.array(self._scalars, dtype=np.float64).T
        vectors = np.array(self._vectors, dtype=np.float64).reshape(-1, 2, 3)
        surfaces = Surfaces(
            kind=kind,
            rotation=np.concatenate(self._rotations).reshape(-1, 3, 3),
            centre=vectors[:, 0],
            half_size=vectors[:, 1],
            outline=outline,
            taper=taper,
            relief=relief,
            relief_m=relief_m,
            decal=decal > 0,
            one_sided=one_sided > 0,
            material=tuple(self._materials),
        )
        for array in vars(surfaces).values():
            if isinstance(array, np.ndarray):
                array.setflags(write=False)
        return surfaces
