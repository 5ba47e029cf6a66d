"""Files from outside are read with limits, and files of our own are there whole or not at all."""

import os
import stat

import pytest

from pagnet_ros.system.files import TextFileError, load_yaml, read_text, replaced


def test_a_text_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("grüße", encoding="utf-8-sig")
    assert read_text(path, 100) == "grüße"
    with pytest.raises(TextFileError, match="10 bytes; expected at most 9"):
        read_text(path, 9)
    path.write_bytes(b"\xff")
    with pytest.raises(TextFileError, match="cannot be read"):
        read_text(path, 9)


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(TextFileError, match="not a plain file"):
            read_text(path, 9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [*x]", "an alias .* of itself, in line 1"),
        (
            "a: &a [x,x]\n"
            + "".join(f"{c}: &{c} [*{p},*{p},*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
            "more than 100000 values with every alias written out",
        ),
        ("a: !!binary aaaa", "a value of type"),
        ("[" * 30, "more than 20 levels"),
        (f"a: {'9' * 41}", "a number of 41 characters in line 1"),
        ("a: !!bool maybe", "KeyError"),
        ("a: [", r"not readable as YAML: .* in line \d"),
    ],
)
def test_yaml_that_is_more_than_plain_values_is_refused(tmp_path, text, says):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(TextFileError, match=says):
        load_yaml(tmp_path / "a.yaml")


def test_plain_yaml_is_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2.5, x, true, null]\nb: {c: '1:30', d: *a}\n")
    values = [1, 2.5, "x", True, None]
    assert load_yaml(tmp_path / "a.yaml") == {"a": values, "b": {"c": "1:30", "d": values}}


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a"
    with replaced(path) as temporary:
        assert not path.exists()
        assert temporary.parent == tmp_path
        temporary.write_text("one")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("one", 0o644)
    path.chmod(0o600)
    with replaced(path) as temporary:
        temporary.write_text("two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_after_an_error_everything_is_as_it_was(tmp_path, error):
    path = tmp_path / "a"
    path.write_text("one")
    with pytest.raises(type(error)), replaced(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]
