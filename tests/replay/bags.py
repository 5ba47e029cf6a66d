"""Tiny recordings for the replay's tests: a wall with a box before it, and a coloured edge where the depth edge is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag2 import CompressionFormat, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
PLUGINS = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
START_NS = 10 * 10**9
STEP_NS = 10**8
SIZE = (32, 48)
MATRIX = np.array([[40.0, 0.0, 23.5], [0.0, 40.0, 15.5], [0.0, 0.0, 1.0]])


def depth_mm(k, size=SIZE):
    """A wall at 2 m that comes 1 mm nearer each frame (of 500), a box at 1 m, and a hole in the corner."""
    depth = np.full(size, 2000 - k % 500, np.uint16)
    depth[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1000
    depth[: size[0] // 8, : size[1] // 8] = 0
    return depth


def color(k, size=SIZE):
    rgb = np.full((*size, 3), 90, np.uint8)
    rgb[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = (200, 40 + k % 200, 30)
    return rgb


def header(stamp_ns, frame_id="optical"):
    stamp = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
    return STORE.types["std_msgs/msg/Header"](stamp, frame_id)


def image(array, stamp_ns, encoding=None, **changes):
    encoding = encoding or {np.dtype(np.uint16): "16UC1", np.dtype(np.float32): "32FC1"}.get(array.dtype, "rgb8")
    fields = {
        "header": header(stamp_ns),
        "height": array.shape[0],
        "width": array.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": array.strides[0],
        "data": np.ascontiguousarray(array).reshape(-1).view(np.uint8),
    }
    return STORE.types["sensor_msgs/msg/Image"](**{**fields, **changes})


def encoded(encoding, stamp_ns, size=(4, 6)):
    """An image of any encoding, with any content."""
    step = size[1] * {"16UC1": 2, "32FC1": 4, "rgb8": 3, "bgr8": 3, "mono8": 1, "yuv422_yuy2": 2}[encoding]
    data = np.arange(size[0] * step, dtype=np.uint32).astype(np.uint8)
    return STORE.types["sensor_msgs/msg/Image"](header(stamp_ns), *size, encoding, 0, step, data)


def compressed(array, stamp_ns):
    """As compressed_image_transport and compressed_depth_image_transport publish them, without loss."""
    kind = STORE.types["sensor_msgs/msg/CompressedImage"]
    if array.dtype == np.uint16:
        data, name = bytes(12) + cv2.imencode(".png", array)[1].tobytes(), "16UC1; compressedDepth png"
    else:
        data, name = cv2.imencode(".png", array[..., ::-1])[1].tobytes(), "rgb8; png compressed bgr8"
    return kind(header(stamp_ns), name, np.frombuffer(data, np.uint8))


def camera_info(stamp_ns, size=SIZE, matrix=MATRIX):
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return STORE.types["sensor_msgs/msg/CameraInfo"](
        header(stamp_ns), size[0], size[1], "plumb_bob", np.zeros(5), matrix.ravel(), np.eye(3).ravel(),
        np.hstack([matrix, np.zeros((3, 1))]).ravel(), 0, 0, region,
    )  # fmt: skip


def tf_static(apart_m):
    """A depth camera that stands so far right of the colour camera, turned as that one is."""
    kinds = STORE.types
    move = kinds["geometry_msgs/msg/Transform"](
        kinds["geometry_msgs/msg/Vector3"](apart_m, 0.0, 0.0), kinds["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    )
    made = kinds["geometry_msgs/msg/TransformStamped"](header(START_NS, "optical"), "depth_optical", move)
    return kinds["tf2_msgs/msg/TFMessage"]([made])


def text(words):
    return STORE.types["std_msgs/msg/String"](words)


def write(path, messages, storage="mcap", compression=None, qos=(), store=STORE):
    """A bag of (topic, recording time, message); `qos` is what every publisher offered."""
    writer = Writer(path, version=8, storage_plugin=PLUGINS[storage])
    if compression:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, stamp_ns, message in messages:
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store, offered_qos_profiles=qos)
            writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, name))
    return Path(path)


def rgbd(count=4, first=0, depth_size=SIZE, info=True, offset_ns=0, encode=image):
    """(topic, recording time, message) of frames 0.1 s apart, colour first."""
    for k in range(first, first + count):
        stamp_ns = START_NS + k * STEP_NS
        yield "/cam/color", stamp_ns, encode(color(k), stamp_ns + offset_ns)
        if info:
            yield "/cam/camera_info", stamp_ns, camera_info(stamp_ns + offset_ns)
        yield "/cam/depth", stamp_ns + 10, encode(depth_mm(k, depth_size), stamp_ns)


def storage_file(bag):
    """The one storage file of a bag folder."""
    return next(f for f in sorted(Path(bag).iterdir()) if f.suffix != ".yaml")


def cut_off(bag, share=0.6):
    """Keep the first part of a bag's storage file."""
    file = storage_file(bag)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    return bag
