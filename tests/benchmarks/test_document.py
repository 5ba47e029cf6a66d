"""The documentation's table of a GPU comes from a run's figures, and nothing else of the page changes."""

import json
from pathlib import Path

import pytest

from benchmarks.engine.document import BEGIN, END, main, with_figures
from benchmarks.engine.results import Failure, Result

PAGE = f"before\n\n{BEGIN}\nNot measured yet.\n{END}\n\nafter\n"
MACHINE = {"device": "NVIDIA X", "torch": "2.11.0", "cuda": "13.0", "cudnn": 91900}
MACHINE |= {"matrix_gflops": {"fp32": 5e4, "fp16": 7.8e5}, "copy_gbs": 4300.0}


def figures():
    fast = Result("full-x4", "640x480", "graph", "fp16", 622.8, 2.0, 2.2, 1.7, 0.1, 900.0, 0.0712, 0.5, 0.8)
    exact = fast._replace(precision="fp32", p50=12.0, rms_to_fp32_mm=None)
    lost = Failure("full-x4", "1920x1080", "graph", "fp32", "not begun within --time-limit")
    return {"machine": MACHINE, "results": [fast._asdict(), exact._asdict()], "failures": [lost._asdict()]}


def test_the_table_takes_the_place_of_what_stood_between_the_marks():
    page = with_figures(PAGE, figures())
    assert page.startswith(f"before\n\n{BEGIN}\nNVIDIA X; torch 2.11.0, CUDA 13.0")
    assert page.endswith(f"{END}\n\nafter\n")
    assert "Not measured yet" not in page
    assert "large matrices, TFLOP/s: fp32 50, fp16 780" in page
    assert "| full-x4 | 640x480 | graph | fp16 | 2 | 2.2 | 1.7 | 0.8 | 2.5 | 0.071 | 900 |" in page
    assert "| full-x4 | 640x480 | graph | fp32 | 12 | 2.2 | 1.7 | 0.8 | 15.0 |  | 900 |" in page
    assert "Not measured: full-x4, 1920x1080, graph, fp32: not begun within --time-limit." in page
    assert with_figures(page, figures()) == page


@pytest.mark.parametrize("page", ["no marks", f"{END}\n{BEGIN}", BEGIN])
def test_a_page_without_marks_and_a_run_without_results_are_refused(page, tmp_path, capsys):
    with pytest.raises(ValueError, match="expected a line"):
        with_figures(page, figures())
    (tmp_path / "figures.json").write_text(json.dumps(figures() | {"results": []}))
    (tmp_path / "page.md").write_text(PAGE)
    assert main([str(tmp_path / "figures.json"), str(tmp_path / "page.md")]) == 1
    assert "the run has no result" in capsys.readouterr().err
    assert (tmp_path / "page.md").read_text() == PAGE


def test_several_runs_of_one_machine_make_one_table(tmp_path):
    for name, size in (("a", "640x480"), ("b", "1280x720")):
        run = figures()
        run["results"] = [run["results"][0] | {"size": size}]
        (tmp_path / f"{name}.json").write_text(json.dumps(run))
    (tmp_path / "page.md").write_text(PAGE)
    assert main([str(tmp_path / name) for name in ("a.json", "b.json", "page.md")]) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.index("| full-x4 | 640x480 |") < page.index("| full-x4 | 1280x720 |")
    assert page.count("NVIDIA X") == 1


def test_the_documentation_has_the_marks(tmp_path):
    page = Path(__file__).parents[2] / "docs/benchmarks.md"
    (tmp_path / "figures.json").write_text(json.dumps(figures()))
    (tmp_path / "page.md").write_text(page.read_text())
    assert main([str(tmp_path / "figures.json"), str(tmp_path / "page.md")]) == 0
    assert "NVIDIA X" in (tmp_path / "page.md").read_text()
