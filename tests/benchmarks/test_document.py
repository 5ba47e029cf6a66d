"""The page's table of a GPU comes from a run's figures, and nothing else of the page changes."""

from pathlib import Path

import pytest

from benchmarks.engine.document import BEGIN, END, main
from benchmarks.engine.report import Report
from benchmarks.engine.results import Failure, Result

PAGE = f"before\n\n{BEGIN}\nNot measured yet.\n{END}\n\nafter\n"
MACHINE = {"device": "NVIDIA X", "threads": 2, "busy": 0, "matrix_gflops": {"fp16": 7.8e5}, "copy_gbs": 4300.0}
FAST = Result("full-x4", "640x480", "graph", "fp16", 622.8, 2.0, 2.2, 1.7, 0.1, 900.0, 0.0712, 0.5, 0.8)
LOST = Failure("full-x4", "1920x1080", "graph", "fp32", "not begun within --time-limit")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def run(path, *results):
    assert Report(MACHINE, list(results), [LOST]).write(path)
    return str(path)


def test_tables_of_runs_take_the_place_of_what_stood_between_the_marks(tmp_path, page):
    runs = [run(tmp_path / "a.json", FAST), run(tmp_path / "b.json", FAST._replace(size="1280x720"))]
    assert main([*runs, str(page)]) == 0
    text = page.read_text()
    assert text.startswith(f"before\n\n{BEGIN}\nNVIDIA X")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "Not measured yet" not in text
    rows = [[cell.strip() for cell in line.split("|")[1:5]] for line in text.splitlines() if line.startswith("| full-")]
    assert rows == [["full-x4", size, "graph", "fp16"] for size in ("640x480", "1280x720")]
    assert "no result for full-x4 1920x1080 graph fp32: not begun within --time-limit" in text
    assert main([*runs, str(page)]) == 0
    assert page.read_text() == text


@pytest.mark.parametrize("text", ["no marks", f"{END}\n{BEGIN}", BEGIN])
def test_a_page_without_marks_is_refused(text, tmp_path, page, capsys):
    page.write_text(text)
    assert main([run(tmp_path / "a.json", FAST), str(page)]) == 1
    assert "expected a line" in capsys.readouterr().err
    assert page.read_text() == text


def test_a_run_without_results_is_refused(tmp_path, page, capsys):
    assert main([run(tmp_path / "a.json"), str(page)]) == 1
    assert "a run has no result" in capsys.readouterr().err
    assert page.read_text() == PAGE


def test_the_documentation_has_the_marks(tmp_path, page):
    page.write_text((Path(__file__).parents[2] / "docs/benchmarks.md").read_text())
    assert main([run(tmp_path / "a.json", FAST), str(page)]) == 0
    assert "NVIDIA X" in page.read_text()
