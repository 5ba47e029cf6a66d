"""A world to test and train in: procedural RGB-D scenes, a moving camera, and what a depth sensor makes of them.

Pure: seeds in, arrays out; no ROS, no files but sensor profiles. Data flows ``Scene.random`` -> ``Renderer`` ->
``sense``.
"""

from __future__ import annotations

from pagnet_ros.simulation.camera import PinholeCamera, look_at
from pagnet_ros.simulation.evidence import Evidence
from pagnet_ros.simulation.profile_yaml import PROFILES, load_profile, save_profile, sensor_profile
from pagnet_ros.simulation.render import RenderedFrame, RenderedTensors, Renderer, render
from pagnet_ros.simulation.scene import STYLES, Scene
from pagnet_ros.simulation.sensor import sense
from pagnet_ros.simulation.sensor_edges import depth_edges, edge_distance, structured_light_shadow
from pagnet_ros.simulation.sensor_holes import missing_probability
from pagnet_ros.simulation.sensor_noise import SensorMemory, axial_sigma, smooth_noise
from pagnet_ros.simulation.sensor_profile import SensorProfile
from pagnet_ros.simulation.sensor_range import range_bias, to_millimetres
from pagnet_ros.simulation.trajectory import LookAround

__all__ = [
    "PROFILES",
    "STYLES",
    "Evidence",
    "LookAround",
    "PinholeCamera",
    "RenderedFrame",
    "RenderedTensors",
    "Renderer",
    "Scene",
    "SensorMemory",
    "SensorProfile",
    "axial_sigma",
    "depth_edges",
    "edge_distance",
    "load_profile",
    "look_at",
    "missing_probability",
    "range_bias",
    "render",
    "save_profile",
    "sense",
    "sensor_profile",
    "smooth_noise",
    "structured_light_shadow",
    "to_millimetres",
]
