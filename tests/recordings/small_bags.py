"""A small bag for the tests that read its bytes: two topics of images a few pixels wide."""

from tests.replay.bags import encoded


def rgbd(count=5):
    """(topic, recording time, message) of frames 0.1 s apart, colour first."""
    for k in range(count):
        stamp_ns = 10**9 + k * 10**8
        yield "/cam/color", stamp_ns + 5, encoded("rgb8", stamp_ns)
        yield "/cam/depth", stamp_ns + 9, encoded("16UC1", stamp_ns)
