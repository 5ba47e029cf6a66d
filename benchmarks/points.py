"""What a cloud of the node's result costs, from depth to a message to publish.

``python -m benchmarks.points``. Times are the processor's, which other work on the machine does not lengthen much.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Final

import numpy as np
from std_msgs.msg import Header

from pagnet_ros.core.lens import frame_rays
from pagnet_ros.messages.calibration import Calibration
from pagnet_ros.messages.points import make_points
from pagnet_ros.ros.node.points import cloud_message
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.simulation import Renderer, Scene
from pagnet_training.command import Arguments, command_line

SIZES: Final = ((480, 640), (720, 1280))
FORMS: Final[dict[str, dict[str, Any]]] = {
    "organised": {},
    "dense": {"dense": True},
    "voxels of 5 cm": {"voxel_m": 0.05},
}


@command_line
def main(arguments: Arguments = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.points", description=str(__doc__).splitlines()[0])
    parser.add_argument("--frames", type=int, default=50, help="per row (default 50)")
    options = parser.parse_args(arguments)
    sys.stdout.write("| size | form | colour | points | MB | ms |\n|---|---|---|---|---|---|\n")
    for height, width in SIZES:
        camera = PinholeCamera.from_fov(width, height)
        frame = Renderer(Scene.random(0, "room"))(camera)
        focal, centre = (camera.fx, camera.fy), (camera.cx, camera.cy)
        rays = frame_rays(Calibration((height, width), focal, centre)).astype(np.float32)
        depth = frame.depth_m.copy()
        depth[:: height // 8] = np.nan
        for form, how in FORMS.items():
            for rgb in (frame.rgb, None):
                times = []
                for _ in range(options.frames):
                    start = time.process_time()
                    message = cloud_message(Header(), make_points(depth, rays, rgb, **how))
                    times.append(time.process_time() - start)
                count, colour = message.height * message.width, "no" if rgb is None else "yes"
                cost = f"{len(message.data) / 1e6:.2f} | {np.mean(times) * 1e3:.1f}"
                sys.stdout.write(f"| {width}x{height} | {form} | {colour} | {count} | {cost} |\n")


if __name__ == "__main__":
    sys.exit(main())
