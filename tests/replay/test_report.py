"""The report's content: metrics, best and differences, trouble, nothing that could run, the same bytes twice."""

import base64
import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from pagnet_ros.replay.highlights import Picture
from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.report import render
from pagnet_ros.replay.results import Results
from tests.replay.samples import METHODS, PROBLEM, results

VOID = {"br", "hr", "img", "link", "meta"}
PICTURES = [Picture("Worst frame", "Frame 3 (frame-000003)", "data:image/webp;base64,AAAA")]


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
    return render(results(damage=["run.mcap: damaged after 12 messages"], problems=[PROBLEM]), PICTURES)


@pytest.mark.parametrize("mode", ["self", "reference", "none"])
def test_the_page_is_well_formed_in_every_mode(mode):
    tree = Tree(render(results(mode), PICTURES))
    assert len(set(tree.ids)) == len(tree.ids)
    links = {a["href"][1:] for a in tree.attributes if a.get("href", "").startswith("#")}
    assert links <= set(tree.ids)


def test_every_section_is_there(page):
    assert Tree(page).ids == [
        "metrics", "distance", "frames", "time", "sigma", "latency", "trouble", "provenance", "definitions",
    ]  # fmt: skip


def test_every_picture_says_what_it_shows(page):
    tree = Tree(page)
    images = [a for tag, a in zip(tree.tags, tree.attributes, strict=True) if tag == "img"]
    assert len(images) == 5  # four groups of charts and a frame
    assert all(a["alt"] and a["src"].startswith("data:image/") for a in images)
    assert "Frame 3 (frame-000003)" in tree.text


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
    "{{ 7 * 7 }}{% raw %}",
    "_$x_{",
    "safe\u202egpj.exe\x07\ud800",
)


@pytest.fixture(scope="module")
def evil_page():
    """The report of a recording in which every name and text is hostile."""
    problems = [dataclasses.replace(PROBLEM, text=evil, kind=evil) for evil in EVIL]
    found = results(damage=EVIL, paths=EVIL, depth=EVIL[0], problems=problems)
    renamed = (dataclasses.replace(found.methods[2], name=evil, detail={evil: evil}) for evil in EVIL)
    found = dataclasses.replace(found, methods=(*found.methods[:2], *renamed), settings={evil: [evil] for evil in EVIL})
    return render(found, [PICTURES[0]._replace(title=evil, text=evil) for evil in EVIL])


def test_what_a_recording_says_stays_text(page, evil_page):
    tree = Tree(evil_page)
    assert set(tree.tags) == set(Tree(page).tags)
    assert tree.tags.count("img") == 4 + len(EVIL)  # the charts and a picture each
    for evil in EVIL[:5]:
        assert tree.text.count(evil) >= 5, evil
    assert "safe\\u202egpj.exe" in tree.text  # shown, as it cannot turn the direction of text
    assert "\u202e" not in evil_page
    assert "\x07" not in evil_page
    evil_page.encode("utf-8")


def test_names_in_charts_stay_text(evil_page):
    charts = [base64.b64decode(data) for data in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", evil_page)]
    words = "".join(text for chart in charts for text in ET.fromstring(chart).itertext())
    assert all(evil in words for evil in EVIL[:5])
    elements = [element for chart in charts for element in ET.fromstring(chart).iter()]
    assert not any("script" in str(e.tag) or "on" in {key[:2] for key in e.attrib} for e in elements)


def row(page, label):
    """{method: cell} of a metric's row."""
    cells = re.search(rf'<th scope="row"[^>]*>{re.escape(label)} [^<]*</th>(.*?)</tr>', page, re.S).group(1)
    return dict(zip(METHODS, re.findall(r"<td.*?</td>", cells, re.S), strict=True))


def test_the_best_of_each_row_is_marked_and_the_difference_from_bilinear_shown(page):
    rmse = row(page, "RMSE [mm]")
    assert 'class="best"' in rmse[METHODS[0]]
    assert 'class="best"' not in rmse["bilinear"]
    assert "14.0" in rmse[METHODS[0]]
    assert '<small class="better">−23 %</small>' in rmse[METHODS[0]]
    assert "<small" not in rmse["bilinear"]
    assert '<small class="worse">+23 %</small>' in rmse["nearest"]
    assert '<small class="better">+22.4 pt</small>' in row(page, "coverage [%]")[METHODS[0]]


def test_equal_values_are_all_best_and_a_row_of_equals_marks_none():
    found = results()
    same = dict(found.methods[0].metrics)
    methods = tuple(dataclasses.replace(m, metrics={**m.metrics, "rmse_m": same["rmse_m"]}) for m in found.methods)
    tie = tuple(dataclasses.replace(m, metrics={**m.metrics, "mae_m": same["mae_m"]}) for m in methods[:2])
    page = render(dataclasses.replace(found, methods=(*tie, methods[2])))
    assert not any('class="best"' in row(page, "RMSE [mm]")[name] for name in METHODS)
    assert ['class="best"' in row(page, "MAE [mm]")[name] for name in METHODS] == [True, True, False]


def test_the_first_sentences_answer_the_question(page):
    text, leading = Tree(page).text, sum(metric.lead for metric in METRICS.values())
    assert "fast-x4-sensor: RMSE, common 14.0 mm, −23 % against bilinear (18.2 mm)." in text
    assert f"Best of 3 methods in {leading} of the {leading} metrics below where they differ." in text


def test_where_it_is_not_best_is_said():
    found = results()
    better = {**found.methods[2].metrics, "rmse_rest_common_m": 0.001, "flying_common": 0.5}
    page = render(
        dataclasses.replace(found, methods=(*found.methods[:2], dataclasses.replace(found.methods[2], metrics=better)))
    )
    assert "; not in RMSE, edge areas; points between surfaces." in Tree(page).text


def test_without_bilinear_no_difference_is_claimed():
    found = results()
    page = render(dataclasses.replace(found, methods=(found.methods[0], found.methods[2])), PICTURES)
    assert "bilinear was not among the methods" in Tree(page).text
    assert "against bilinear" not in Tree(page).text


@pytest.mark.parametrize(
    ("theirs", "said"), [(0.0, "14.0 mm, against bilinear (0.0 mm)."), (None, "RMSE, common 14.0 mm.")]
)
def test_the_first_sentence_where_bilinear_makes_no_error_or_has_none(theirs, said):
    found = results()
    bilinear = found.method("bilinear")
    exact = dataclasses.replace(bilinear, metrics={**bilinear.metrics, "rmse_common_m": theirs})
    methods = tuple(exact if method is bilinear else method for method in found.methods)
    assert said in Tree(render(dataclasses.replace(found, methods=methods))).text


def test_every_metric_of_the_run_is_defined_with_unit_and_source(page):
    text = Tree(page).text
    for metric in METRICS.values():
        assert metric.source in text
        assert metric.definition in text


def test_metrics_the_run_did_not_have_are_counted_not_shown():
    tree = Tree(render(results("none")))
    assert "error / σ" not in tree.text
    absent = sum(metric.needs != "any" for metric in METRICS.values())
    assert f"{absent} further metrics need what this run did not have" in tree.text


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
    assert render(found, PICTURES) == render(again, PICTURES)


def test_the_page_needs_neither_frames_nor_timings_nor_a_second_method():
    found = results("none", timings={}, sigma=False)
    alone = dataclasses.replace(
        found, methods=found.methods[:1], timeline=(), pairing=dataclasses.replace(found.pairing, offset_ms=None)
    )
    tree = Tree(render(alone))
    assert "img" not in tree.tags
    assert "time" not in tree.ids


def test_a_run_that_scored_nothing_is_said_to_have():
    found = results()
    empty = tuple(
        dataclasses.replace(m, metrics=dict.fromkeys(m.metrics), by_range=(), calibration=(), frames=0)
        for m in found.methods
    )
    text = Tree(render(dataclasses.replace(found, methods=empty, timeline=()))).text
    assert "gave nothing that could be scored" in text


def test_distances_with_a_handful_of_pixels_do_not_set_the_scale():
    found = results()
    rows = [dict(row) for row in found.methods[0].by_range]
    rows[3] |= {"pixels": 3, "rmse_m": 9.0}
    page = render(dataclasses.replace(found, methods=(dataclasses.replace(found.methods[0], by_range=tuple(rows)),)))
    chart = base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", page).group(1)).decode()
    assert ">2–3<" in chart
    assert ">3–4<" not in chart


def test_a_value_many_times_the_baseline_s_is_a_factor():
    found = results()
    worse = {**found.methods[0].metrics, "missed_obstacles": 50 * found.methods[1].metrics["missed_obstacles"]}
    page = render(
        dataclasses.replace(found, methods=(dataclasses.replace(found.methods[0], metrics=worse), *found.methods[1:]))
    )
    assert '<small class="worse">×50</small>' in row(page, "missed obstacles [per frame]")[METHODS[0]]


def test_the_command_is_shown_also_where_it_differs_between_runs():
    found = results()
    elsewhere = dataclasses.replace(found, provenance={}, timings={**found.timings, "command": ["replay", "my bag"]})
    assert "replay 'my bag'" in Tree(render(elsewhere)).text
