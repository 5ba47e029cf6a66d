"""How image_transport names topics of compressed images. Plain Python: the doctor needs it without OpenCV."""

from __future__ import annotations

from typing import Final

SUFFIXES: Final = ("/compressed", "/compressedDepth")


def without_transport(topic: str) -> str:
    """The name of the image itself, whatever transport the topic names."""
    return next((topic.removesuffix(suffix) for suffix in SUFFIXES if topic.endswith(suffix)), topic)
