"""From the id of a DDS endpoint to a process, over a made-up /proc and /dev/shm."""

import os

import pytest

from pagnet_ros.diagnosis.processes import is_here, process_of

OWN = (0x01, 0x0F, 0x78, 0xFD, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x13, 0x03)
SEGMENT = "fastrtps_8c5449a66dc95fbb"


def gid_of(pid, host=(0x78, 0xFD), vendor=(0x01, 0x0F)):
    return (*vendor, *host, pid & 0xFF, pid >> 8 & 0xFF, 0x11, 0x22, 0, 0, 0, 0, 0, 0, 0x13, 0x03)


class FakeMachine:
    def __init__(self, root):
        self.root = root
        (root / "dev/shm").mkdir(parents=True)
        (root / "proc").mkdir()

    def process(self, pid, segments=(), environ=b""):
        folder = self.root / f"proc/{pid}"
        (folder / "fd").mkdir(parents=True)
        (folder / "environ").write_bytes(environ)
        (folder / "cwd").symlink_to(self.root)
        (folder / "fd/0").symlink_to("/dev/null")
        for number, (name, size) in enumerate(segments, start=3):
            (self.root / f"dev/shm/{name}").write_bytes(bytes(size))
            (self.root / f"dev/shm/{name}_el").touch()
            (folder / f"fd/{number}").symlink_to(self.root / f"dev/shm/{name}_el")
        return folder


@pytest.fixture
def fake(tmp_path):
    return FakeMachine(tmp_path)


def test_hosts_are_compared_where_both_ends_are_fast_dds():
    assert is_here(gid_of(5), OWN) is True
    assert is_here(gid_of(5, host=(1, 2)), OWN) is False
    assert is_here(gid_of(5, vendor=(0x01, 0x10)), OWN) is None
    assert is_here(gid_of(5), ()) is None


def test_a_process_its_user_and_its_shared_memory_are_found(fake):
    fake.process(9125, [(SEGMENT, 549_408), ("fastrtps_95d665e3e8eae480", 1000)])
    fake.process(9126)
    found = process_of(gid_of(9125), fake.root)
    assert (found.pid, found.uid, found.segment_bytes) == (9125, os.getuid(), 549_408)
    assert found.dds_profile == ""


def test_process_ids_above_16_bits_are_found_by_their_lower_half(fake):
    fake.process(70_000, [(SEGMENT, 10)])
    assert process_of(gid_of(70_000 & 0xFFFF), fake.root).pid == 70_000


def test_a_process_without_dds_is_not_taken_for_the_publisher(fake):
    fake.process(9125)  # of this container, while the publisher is of another
    assert process_of(gid_of(9125), fake.root) is None


def test_two_processes_that_fit_are_one_too_many(fake):
    fake.process(5, [(SEGMENT, 10)])
    fake.process(5 + 65_536, [("fastrtps_95d665e3e8eae480", 10)])
    assert process_of(gid_of(5), fake.root) is None


def test_the_profile_a_process_was_started_with(fake):
    path = b"config/profile.xml"
    fake.process(7, [(SEGMENT, 10)], b"HOME=/root\0FASTRTPS_DEFAULT_PROFILES_FILE=" + path + b"\0")
    found = process_of(gid_of(7), fake.root)
    assert (found.dds_profile, found.profile_exists) == ("config/profile.xml", False)
    (fake.root / "config").mkdir()
    (fake.root / "config/profile.xml").touch()
    assert process_of(gid_of(7), fake.root).profile_exists


def test_another_users_process_is_known_by_what_lies_in_shared_memory(fake, monkeypatch):
    folder = fake.process(7, [(SEGMENT, 10)])
    listing = type(folder).iterdir

    def refuse(path):
        if path.name == "fd":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(type(folder), "iterdir", refuse)
    found = process_of(gid_of(7), fake.root)
    assert (found.uid, found.segment_bytes) == (os.getuid(), None)
    (fake.root / "dev/shm" / SEGMENT).unlink()
    (fake.root / f"dev/shm/{SEGMENT}_el").unlink()
    assert process_of(gid_of(7), fake.root) is None
