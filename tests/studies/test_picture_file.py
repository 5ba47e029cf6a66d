"""Pictures on disk: drawn where asked for, and what stands in the way is named."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pagnet_ros.errors import ConfigError
from studies.picture_file import write_picture


def test_the_folder_is_made(tmp_path):
    write_picture(tmp_path / "new" / "empty.png", Figure(figsize=(1, 1)), dpi=20)
    assert (tmp_path / "new" / "empty.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_named_with_the_file(tmp_path):
    path = tmp_path / "full.png"
    path.symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"full\.png: the picture cannot be written: No space left.*free some"):
        write_picture(path, Figure(figsize=(1, 1)), dpi=20)


def test_a_name_that_is_none_of_a_picture_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"front\.pong: .*'pong' is not supported.*a name such as front\.png"):
        write_picture(tmp_path / "front.pong", Figure(figsize=(1, 1)), dpi=20)
