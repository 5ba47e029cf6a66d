"""What a depth camera does: profiles (YAML to dataclass and back), noise, holes, edges, range, and all of it at once.

Pure: arrays in, arrays out; no ROS, no files but sensor profiles. The node, the simulation and training share it.
"""

from __future__ import annotations

from pagnet_ros.sensors.camera import PinholeCamera, look_at
from pagnet_ros.sensors.edges import depth_edges, edge_distance, structured_light_shadow
from pagnet_ros.sensors.evidence import Evidence
from pagnet_ros.sensors.holes import missing_probability
from pagnet_ros.sensors.noise import SensorMemory, axial_sigma, smooth_noise
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_ros.sensors.profile_yaml import PROFILES, load_profile, save_profile, sensor_profile
from pagnet_ros.sensors.range import range_bias, to_millimetres
from pagnet_ros.sensors.simulate import sense

__all__ = [
    "PROFILES",
    "Evidence",
    "PinholeCamera",
    "SensorMemory",
    "SensorProfile",
    "axial_sigma",
    "depth_edges",
    "edge_distance",
    "load_profile",
    "look_at",
    "missing_probability",
    "range_bias",
    "save_profile",
    "sense",
    "sensor_profile",
    "smooth_noise",
    "structured_light_shadow",
    "to_millimetres",
]
