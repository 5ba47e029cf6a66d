"""A subscriber of another DDS vendor: reads an Image topic and its CameraInfo with CycloneDDS, without ROS.

Run as a process of its own:  python cyclonedds_reader.py DOMAIN IMAGE_TOPIC INFO_TOPIC OUT.npz
Waits until both writers are found, then writes the first image with its calibration to OUT.npz.
"""

import os
import sys
import time
from dataclasses import dataclass

# Loopback without multicast, as machines without a network have it.
os.environ["CYCLONEDDS_URI"] = """<CycloneDDS><Domain id="any"><General><Interfaces>
<NetworkInterface name="lo" multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>"""

import numpy as np
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.annotations import cdrv0, final
from cyclonedds.idl.types import array, float64, int32, sequence, uint8, uint32
from cyclonedds.sub import DataReader, Subscriber
from cyclonedds.topic import Topic
from cyclonedds.util import duration

DEADLINE_S = 60.0


@final
@cdrv0
@dataclass
class Time(IdlStruct, typename="builtin_interfaces::msg::dds_::Time_"):
    sec: int32
    nanosec: uint32


@final
@cdrv0
@dataclass
class Header(IdlStruct, typename="std_msgs::msg::dds_::Header_"):
    stamp: Time
    frame_id: str


@final
@cdrv0
@dataclass
class Image(IdlStruct, typename="sensor_msgs::msg::dds_::Image_"):
    header: Header
    height: uint32
    width: uint32
    encoding: str
    is_bigendian: uint8
    step: uint32
    data: sequence[uint8]


@final
@cdrv0
@dataclass
class RegionOfInterest(IdlStruct, typename="sensor_msgs::msg::dds_::RegionOfInterest_"):
    x_offset: uint32
    y_offset: uint32
    height: uint32
    width: uint32
    do_rectify: bool


@final
@cdrv0
@dataclass
class CameraInfo(IdlStruct, typename="sensor_msgs::msg::dds_::CameraInfo_"):
    header: Header
    height: uint32
    width: uint32
    distortion_model: str
    d: sequence[float64]
    k: array[float64, 9]
    r: array[float64, 9]
    p: array[float64, 12]
    binning_x: uint32
    binning_y: uint32
    roi: RegionOfInterest


def stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def take_pair(images, infos):
    """The first image whose calibration came too: either reader may match, and so begin, later than the other."""
    found = {images: {}, infos: {}}
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for reader, messages in found.items():
            messages.update((stamp_ns(message), message) for message in reader.take(N=50))
        common = found[images].keys() & found[infos].keys()
        if common:
            return tuple(messages[min(common)] for messages in found.values())
        time.sleep(0.02)
    counts = [len(messages) for messages in found.values()]
    raise TimeoutError(f"{counts[0]} images and {counts[1]} calibrations within {DEADLINE_S:g} s, none of one stamp")


def main(domain, image_topic, info_topic, out):
    qos = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(50))
    participant = DomainParticipant(int(domain))
    subscriber = Subscriber(participant)
    images = DataReader(subscriber, Topic(participant, f"rt{image_topic}", Image), qos=qos)
    infos = DataReader(subscriber, Topic(participant, f"rt{info_topic}", CameraInfo), qos=qos)
    deadline = time.monotonic() + DEADLINE_S
    while not (images.get_matched_publications() and infos.get_matched_publications()):
        if time.monotonic() > deadline:
            raise TimeoutError("no publisher matched")
        time.sleep(0.02)
    image, info = take_pair(images, infos)
    np.savez(
        out,
        stamp_ns=stamp_ns(image), frame_id=image.header.frame_id, height=image.height, width=image.width,
        encoding=image.encoding, is_bigendian=image.is_bigendian, step=image.step,
        data=np.frombuffer(bytes(image.data), np.uint8),
        info_frame_id=info.header.frame_id, info_size=[info.height, info.width],
        distortion_model=info.distortion_model, d=list(info.d), k=list(info.k), r=list(info.r), p=list(info.p),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
