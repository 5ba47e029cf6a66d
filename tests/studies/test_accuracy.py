"""Accuracy tables: what is quoted is complete, what is measured lands in its cell, documents keep their own text."""

import errno
from pathlib import Path

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.zoo import zoo
from pagnet_training.evaluate import MSG_FLOAT, Score
from studies.accuracy import PAPER_IMAGES, PAPER_TABLE, insert, main, paper_table, validation_tables, zoo_table
from tests.training.conftest import ROOT


def test_every_quoted_row_has_a_cell_per_image():
    for method, row in PAPER_TABLE.items():
        cells = row.split()
        assert len(cells) == len(PAPER_IMAGES), method
        assert all(cell == "-" or len([float(value) for value in cell.split("/")]) == 4 for cell in cells)
    assert "| PAG-Net | 0.33 / 1.15 / 2.08 / 3.68 |" in paper_table()


def test_scores_land_in_their_cells_and_the_ratio_is_their_mean():
    factors = {2: 0.5, 4: 1.5, 8: 1.0, 16: 2.0}
    scores = [
        Score("ours", scale, "float", image, factors[scale] * value, 0.9 * value)
        for image, row in MSG_FLOAT.items()
        for scale, value in row.items()
    ]
    text = validation_tables(scores)
    assert "| ours | 0.453 / 3.893 / 4.229 / 12.384 |" in text
    assert "| ours | 1.250 | 4 of 16 | 0.900 | 16 of 16 |" in text


def test_the_zoo_table_has_a_row_for_every_file():
    table = zoo_table(zoo())
    assert all((f"| `{name}` |" in table) == (header.config.output == "depth") for name, header in zoo().items())


def test_a_document_keeps_its_text_and_gets_the_table(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- begin zoo -->\nold\n<!-- end zoo -->\nafter\n", encoding="utf-8")
    insert(path, "zoo", "new")
    insert(path, "zoo", "newer")
    assert path.read_text(encoding="utf-8") == "before\n<!-- begin zoo -->\n\nnewer\n\n<!-- end zoo -->\nafter\n"


def test_a_document_without_marks_is_refused_and_left_alone(tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text("nothing to fill\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected both marks"):
        insert(path, "zoo", "new")
    assert main(["--zoo-readme", str(path)]) == 2
    assert "begin zoo" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "nothing to fill\n"


MARKED = "before\n<!-- begin {0} -->\nold\n<!-- end {0} -->\nafter\n"


def test_a_full_disk_leaves_the_document_whole_and_prints_the_table(tmp_path, monkeypatch, capsys):
    path = tmp_path / "page.md"
    path.write_text(MARKED.format("zoo"), encoding="utf-8")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["--zoo-readme", str(path)]) == 2
    shown = capsys.readouterr()
    assert all(line in shown.out.splitlines() for line in zoo_table(zoo()).splitlines())
    assert shown.err.startswith(f"error: {path}: the table cannot be written: No space left")
    assert shown.err.count("\n") == 1
    assert path.read_text(encoding="utf-8") == MARKED.format("zoo")
    assert list(tmp_path.iterdir()) == [path]


def test_a_document_keeps_its_permissions_and_a_link_stays_one(tmp_path):
    path, link = tmp_path / "page.md", tmp_path / "link.md"
    path.write_text(MARKED.format("zoo"), encoding="utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    insert(link, "zoo", "new")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "new" in path.read_text(encoding="utf-8")


def test_marks_are_missed_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    path = tmp_path / "page.md"
    path.write_text(MARKED.format("validation"), encoding="utf-8")
    monkeypatch.setattr("studies.accuracy.evaluate", lambda *_: pytest.fail("measured"))
    assert main(["--document", str(path), "--data", str(tmp_path)]) == 2
    assert "begin paper" in capsys.readouterr().err


def test_what_is_no_text_is_named(tmp_path):
    path = tmp_path / "page.md"
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ConfigError, match=r"page\.md: not readable as text"):
        insert(path, "zoo", "new")


@pytest.mark.parametrize(
    ("name", "mark"), [("docs/accuracy.md", "validation"), ("pagnet_ros/model/zoo/README.md", "zoo")]
)
def test_the_shipped_documents_have_their_marks(name, mark):
    text = (ROOT / Path(name)).read_text(encoding="utf-8")
    assert f"<!-- begin {mark} -->" in text
    assert f"<!-- end {mark} -->" in text


def test_the_zoos_readme_is_up_to_date():
    assert zoo_table(zoo()) in (ROOT / "pagnet_ros/model/zoo/README.md").read_text(encoding="utf-8")
