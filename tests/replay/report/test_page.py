"""The report's content: figures, best and differences, trouble, nothing that could run, the same bytes twice."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.report import render, write_report
from pagnet_ros.replay.report.markup import VOID
from pagnet_ros.replay.report.pictures import MAX_PICTURE_BYTES
from pagnet_ros.replay.results import Results
from tests.replay.report.samples import METHODS, PROBLEM, panels, results


class Tree(HTMLParser):
    """Checks that elements are closed in order, and gathers text, tags and attributes."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text, self.ids = [], [], [], "", []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def page():
    return render(results(damage=["run.mcap: damaged after 12 messages"], problems=[PROBLEM]), panels())


@pytest.mark.parametrize("mode", ["self", "reference", "none"])
def test_the_page_is_well_formed_in_every_mode(mode):
    tree = Tree(render(results(mode), panels(reference=mode != "none")))
    assert len(set(tree.ids)) == len(tree.ids)
    links = {a["href"][1:] for a in tree.attributes if a.get("href", "").startswith("#")}
    assert links <= set(tree.ids)


def test_every_section_is_there(page):
    assert Tree(page).ids == [
        "methods", "distance", "frames", "time", "sigma", "latency", "trouble", "provenance", "definitions", "all",
    ]  # fmt: skip


def test_every_picture_and_chart_says_what_it_shows(page):
    tree = Tree(page)
    images = [a for tag, a in zip(tree.tags, tree.attributes, strict=True) if tag == "img"]
    charts = [a for tag, a in zip(tree.tags, tree.attributes, strict=True) if tag == "svg" and "aria-hidden" not in a]
    assert len(images) > 30
    assert len(charts) > 8
    assert all(a["alt"] and a["width"] and a["height"] and a["src"].startswith("data:image/") for a in images)
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)


def test_nothing_can_run_and_nothing_is_loaded(page):
    tree = Tree(page)
    assert not {"script", "iframe", "object", "embed", "form"} & set(tree.tags)
    assert not [a for a in tree.attributes for name in a if name.startswith("on")]
    policy = next(a["content"] for a in tree.attributes if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    addresses = [a[name] for a in tree.attributes for name in ("src", "href") if name in a]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(" not in page
    assert "@import" not in page


EVIL = (
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a&b'\"<c>",
    "safe\u202egpj.exe\x07\ud800",
)


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_recording_says_stays_text(evil):
    harmless = render(results("self", damage=["x"], problems=[PROBLEM]), panels())
    found = results(
        "self", damage=[evil], paths=(evil,), depth=evil, problems=[dataclasses.replace(PROBLEM, text=evil, kind=evil)]
    )
    renamed = dataclasses.replace(found.methods[1], name=evil, detail={evil: evil})
    found = dataclasses.replace(found, methods=(found.methods[0], renamed, found.methods[2]), settings={evil: [evil]})
    page = render(found, panels())
    tree, expected = Tree(page), Tree(harmless)
    assert set(tree.tags) == set(expected.tags)
    assert tree.tags.count("img") == expected.tags.count("img")
    assert "\u202e" not in page
    assert "\x07" not in page
    page.encode("utf-8")


def test_text_direction_cannot_be_turned_and_is_shown_instead():
    assert "safe\\u202egpj.exe" in Tree(render(results(depth="safe\u202egpj.exe"))).text


def row(page, name, table="All methods"):
    """{column label: cell} of a method's row in the first table after a heading."""
    body = page.split(f">{table}</h2>")[1].split("</table>")[0]
    heads = re.findall(r'<th scope="col" title="[^"]*">(.*?)<small>', body)
    cells = re.search(rf'title="{re.escape(name)}">.*?</th>(.*?)</tr>', body).group(1)
    return dict(zip(heads, re.findall(r"<td.*?</td>", cells), strict=True))


def test_the_summary_marks_the_best_and_shows_the_difference_from_bicubic(page):
    ours, bicubic = row(page, METHODS[0]), row(page, "bicubic")
    assert 'class="best"' in ours["RMSE"]
    assert 'class="best"' not in bicubic["RMSE"]
    assert "14.0" in ours["RMSE"]
    assert '<small class="better">−23\u00a0%</small>' in ours["RMSE"]
    assert "<small" not in bicubic["RMSE"]
    assert '<small class="worse">+23\u00a0%</small>' in row(page, "nearest")["RMSE"]
    assert '<small class="better">+22\u00a0pt</small>' in ours["coverage"]


def test_equal_figures_are_all_best_and_a_column_of_equals_marks_none():
    found = results()
    same = dict(found.methods[0].figures)
    methods = tuple(dataclasses.replace(m, figures={**m.figures, "rmse_m": same["rmse_m"]}) for m in found.methods)
    tie = tuple(dataclasses.replace(m, figures={**m.figures, "mae_m": same["mae_m"]}) for m in methods[:2])
    page = render(dataclasses.replace(found, methods=(*tie, methods[2])))
    assert not any('class="best"' in row(page, name)["RMSE"] for name in METHODS)
    assert ['class="best"' in row(page, name)["MAE"] for name in METHODS] == [True, True, False]


def test_the_first_sentences_answer_the_question(page):
    text = Tree(page).text
    assert "rt-x4-sensor: RMSE (common) 14.0 mm, −23 % against bicubic (18.2 mm)." in text
    assert "Best of 3 methods in 12 of the 12 figures below." in text


def test_where_it_is_not_best_is_said():
    found = results()
    better = {**found.methods[2].figures, "rmse_edges_m": 0.001, "flying_pixels": 0.5}
    page = render(
        dataclasses.replace(found, methods=(*found.methods[:2], dataclasses.replace(found.methods[2], figures=better)))
    )
    assert "in 10 of the 12 figures below; not in RMSE (edges), flying pixels." in Tree(page).text


def test_without_bicubic_no_difference_is_claimed():
    found = results()
    page = render(dataclasses.replace(found, methods=(found.methods[0], found.methods[2])), panels())
    assert "bicubic was not among the methods" in Tree(page).text
    assert "against bicubic" not in Tree(page).text


def test_every_figure_of_the_run_is_defined_with_unit_and_source(page):
    text = Tree(page).text
    for metric in METRICS.values():
        assert metric.source in text
        assert metric.definition.replace("`", "") in text


def test_figures_the_run_did_not_have_are_counted_not_shown():
    tree = Tree(render(results("none"), panels(reference=False)))
    assert "error / σ" not in tree.text
    absent = sum(metric.needs != "any" for metric in METRICS.values())
    assert f"{absent} further figures need what this run did not have" in tree.text


def test_what_could_not_be_read_stands_at_the_top_and_in_its_section(page):
    text = Tree(page).text
    assert text.count("run.mcap: damaged after 12 messages") == 2
    assert "/camera/depth: step 7; expected at least 128" in text
    assert "Everything was read" in Tree(render(results())).text


def test_provenance_names_command_versions_weights_and_settings(page):
    text = Tree(page).text
    for words in ("python -m pagnet_ros.replay run.mcap", "pagnet_ros0.1.0", "0123abcd", "edge_px 3", "fill near"):
        assert words in text


def test_the_same_results_give_the_same_bytes_also_after_json():
    found = results()
    again = Results.from_json(found.to_json())
    assert render(found, panels()) == render(again, panels())


def test_the_page_needs_neither_frames_nor_timings_nor_a_second_method():
    found = results("none", timings={}, sigma=False)
    alone = dataclasses.replace(
        found, methods=found.methods[:1], timeline=(), pairing=dataclasses.replace(found.pairing, offset_ms=None)
    )
    tree = Tree(render(alone))
    assert "img" not in tree.tags
    assert "frames" not in tree.ids


def test_a_run_that_scored_nothing_is_said_to_have():
    found = results()
    empty = tuple(
        dataclasses.replace(m, figures=dict.fromkeys(m.figures), by_range=(), calibration=(), frames=0)
        for m in found.methods
    )
    assert (
        "gave no figure that could be scored"
        in Tree(render(dataclasses.replace(found, methods=empty, timeline=()))).text
    )


def test_the_size_is_bounded_by_that_of_the_pictures(page):
    sizes = [len(data) * 3 // 4 for data in re.findall(r"base64,([^\"]+)", page)]
    assert max(sizes) <= MAX_PICTURE_BYTES
    assert len(sizes) <= 8 * 2 * (4 + 2 * 8)


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(path, results()) == path.stat().st_size > 10_000
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match="No such file"):
        write_report(tmp_path / "missing" / "report.html", results())


def test_distances_with_a_handful_of_pixels_do_not_set_the_scale():
    found = results()
    rows = [dict(row) for row in found.methods[0].by_range]
    rows[3] |= {"pixels": 3, "rmse_m": 9.0}
    page = render(dataclasses.replace(found, methods=(dataclasses.replace(found.methods[0], by_range=tuple(rows)),)))
    text = Tree(page).text
    assert "3–4 m 3" in text
    assert "less than 0.1 % are not drawn" in text
    assert ">3–4</text>" not in page


def test_a_figure_many_times_the_baseline_s_is_a_factor():
    found = results()
    worse = {**found.methods[0].figures, "missed_obstacles": 50 * found.methods[1].figures["missed_obstacles"]}
    page = render(
        dataclasses.replace(found, methods=(dataclasses.replace(found.methods[0], figures=worse), *found.methods[1:]))
    )
    assert '<small class="worse">×\u00a050</small>' in row(page, METHODS[0])["missed obstacles"]


def test_the_command_is_shown_also_where_it_differs_between_runs():
    found = results()
    elsewhere = dataclasses.replace(found, provenance={}, timings={**found.timings, "command": ["replay", "my bag"]})
    assert "replay 'my bag'" in Tree(render(elsewhere)).text
