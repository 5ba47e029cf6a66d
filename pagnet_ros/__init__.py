"""pagnet_ros: attention-guided depth super-resolution for ROS 2 robots. Importing it needs no ROS.

>>> import pagnet_ros
>>> up = pagnet_ros.DepthUpsampler.from_zoo("rt-x4-clean")
>>> out = up(depth, rgb)  # depth [h, w] float32 or uint16 mm, rgb [H, W, 3] uint8
>>> out.depth  # [H, W] float32, NaN where unknown
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagnet_ros.model.zoo import zoo
    from pagnet_ros.options import UpsamplerOptions
    from pagnet_ros.pipeline import DepthUpsampler, UpsampledDepth

__all__ = ["DepthUpsampler", "UpsampledDepth", "UpsamplerOptions", "zoo"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is first asked for (PEP 562): modules that need no torch load none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pagnet_ros import pipeline
    from pagnet_ros.model import zoo

    return zoo.zoo if name == "zoo" else getattr(pipeline, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
