"""pagnet_ros: attention-guided depth super-resolution for ROS 2 robots. Importing it needs no ROS.

>>> import pagnet_ros
>>> up = pagnet_ros.DepthUpsampler.from_zoo("rt-x4-clean")
>>> out = up(depth, rgb)  # depth [h, w] float32 or uint16 mm, rgb [H, W, 3] uint8
>>> out.depth  # [H, W] float32, NaN where not believed
"""

import os

# Read once, when torch loads OpenMP. Threads that spin while they wait make a CPU shared with other nodes many times
# slower (docs/benchmarks.md); a user's own setting wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pagnet_ros.pipeline import DepthUpsampler, UpsampledDepth, UpsamplerOptions
from pagnet_ros.zoo import zoo

__all__ = ["DepthUpsampler", "UpsampledDepth", "UpsamplerOptions", "zoo"]
__version__ = "0.1.0"
