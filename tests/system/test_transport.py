"""The environment that large images need: what is set, and what is left to the user."""

import os
import xml.etree.ElementTree as ElementTree

import pytest

from pagnet_ros.system import transport
from pagnet_ros.system.resources import config_path
from pagnet_ros.system.transport import image_environment, prepare_process

PROFILES = {"FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"}
MALLOC = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}


def file_system_of(monkeypatch, size_bytes):
    def statvfs(_):
        if size_bytes is None:
            raise FileNotFoundError("/dev/shm")
        return os.statvfs_result((4096, 4096, size_bytes // 4096, 0, 0, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)


def test_an_empty_environment_gets_everything(monkeypatch):
    file_system_of(monkeypatch, 8 << 30)
    added = image_environment({})
    assert set(added) == PROFILES | MALLOC
    assert {added[name] for name in PROFILES} == {str(config_path("dds/fastdds_large_images.xml"))}


@pytest.mark.parametrize("size_bytes", [64 << 20, None], ids=["a container's 64 MB", "no shared memory"])
def test_little_shared_memory_gets_the_small_profile(monkeypatch, size_bytes):
    file_system_of(monkeypatch, size_bytes)
    added = image_environment({})
    assert {added[name] for name in PROFILES} == {str(config_path("dds/fastdds_large_images_16mb.xml"))}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_of_the_users_own_stands(name):
    assert set(image_environment({name: "mine.xml"})) == MALLOC


@pytest.mark.parametrize("name", sorted(MALLOC))
def test_a_threshold_of_the_users_own_stands(name):
    assert set(image_environment({name: "1"})) == PROFILES | MALLOC - {name}


def test_another_vendor_gets_no_profile():
    assert set(image_environment({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"})) == MALLOC
    assert set(image_environment({"RMW_IMPLEMENTATION": "rmw_fastrtps_dynamic_cpp"})) == MALLOC | PROFILES


def test_it_is_only_asked_once():
    assert image_environment(image_environment({})) == {}


@pytest.mark.parametrize(
    ("name", "segment_bytes"), [("fastdds_large_images.xml", 32 << 20), ("fastdds_large_images_16mb.xml", 16 << 20)]
)
def test_a_profile_replaces_the_built_in_transports_by_a_larger_one(name, segment_bytes):
    dds = "{http://www.eprosima.com}"
    root = ElementTree.parse(config_path(f"dds/{name}")).getroot()
    transports = {
        descriptor.findtext(f"{dds}transport_id"): descriptor for descriptor in root.iter(f"{dds}transport_descriptor")
    }
    by_type = {descriptor.findtext(f"{dds}type"): descriptor for descriptor in transports.values()}
    assert set(by_type) == {"SHM", "UDPv4"}
    assert int(by_type["SHM"].findtext(f"{dds}segment_size")) == segment_bytes
    (participant,) = root.iter(f"{dds}participant")
    assert participant.get("is_default_profile") == "true"
    assert participant.findtext(f"{dds}rtps/{dds}useBuiltinTransports") == "false"
    used = {entry.text for entry in participant.iter(f"{dds}transport_id")}
    assert used == set(transports)


def test_a_running_process_is_told_before_the_variables_say_that_somebody_decided(monkeypatch):
    for name in PROFILES | MALLOC:
        monkeypatch.delenv(name, raising=False)
    seen = []
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(transport, "keep_freed_memory", lambda: seen.append(MALLOC & set(os.environ)))
    prepare_process()
    assert seen == [set()]
    assert set(os.environ) >= MALLOC
