"""Figures and pictures on disk: they come back, and what stands in the way is named."""

import errno
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

from pagnet_ros.errors import ConfigError
from pagnet_training.json_file import append_json, check_room, write_json, write_picture
from tests.limits import file_size_limit


def test_figures_come_back_and_the_folder_is_made(tmp_path):
    path = tmp_path / "new" / "figures.json"
    write_json(path, {"rmse": [1.5, None]})
    assert json.loads(path.read_text()) == {"rmse": [1.5, None]}


def test_a_full_disk_is_named_with_the_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"figures\.json: the figures cannot be written: No space left.*free some"):
        write_json(tmp_path / "figures.json", {})


def test_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/figures\.json: the figures cannot be written"):
        write_json(tmp_path / "file" / "figures.json", {})


def test_a_run_that_has_nowhere_to_go_is_told_before_it_starts(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match="file is a file; expected a folder to write to: choose another --out"):
            check_room(folder)
    monkeypatch.setattr("os.access", lambda *_: False)  # a superuser may write anywhere
    with pytest.raises(ConfigError, match="is read-only; expected a folder to write to"):
        check_room(tmp_path / "run")


def test_a_picture_is_drawn_and_a_name_that_is_none_of_a_picture_is_told(tmp_path):
    write_picture(tmp_path / "new" / "empty.png", Figure(figsize=(1, 1)), dpi=20)
    assert (tmp_path / "new" / "empty.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"front\.pong: .*'pong' is not supported.*a name such as front\.png"):
        write_picture(tmp_path / "front.pong", Figure(figsize=(1, 1)), dpi=20)


def test_a_picture_without_room_is_named_and_the_old_one_stays(tmp_path):
    path = tmp_path / "full.png"
    path.write_bytes(b"the old one")
    with file_size_limit(20), pytest.raises(ConfigError, match=r"full\.png: the picture cannot be written: "):
        write_picture(path, Figure(figsize=(1, 1)), dpi=20)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_without_room_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_json(path, {"step": 1})
    before = path.read_bytes()
    with file_size_limit(len(before) + 5), pytest.raises(ConfigError, match=r"journal\.jsonl: .*cannot be written"):
        append_json(path, {"step": 2})
    assert path.read_bytes() == before
    append_json(path, {"step": 3})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 3]


def test_a_disk_that_is_full_already_is_refused_before_anything_begins(tmp_path, monkeypatch):
    check_room(tmp_path / "runs" / "new")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3000))
    with pytest.raises(ConfigError, match=r"new: 2 kB are free there; expected room .* at least 1 MB"):
        check_room(tmp_path / "runs" / "new")
