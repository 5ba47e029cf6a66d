"""The image that a topic's name means, without the transport that image_transport adds."""

import pytest

from pagnet_ros.messages.transports import without_transport


@pytest.mark.parametrize("topic", ["/cam/depth", "/cam/depth/compressed", "/cam/depth/compressedDepth"])
def test_every_transport_of_an_image_has_its_name(topic):
    assert without_transport(topic) == "/cam/depth"


def test_a_name_that_only_begins_like_a_transport_stays():
    assert without_transport("/compressed/image") == "/compressed/image"
