"""The report in a real browser: everything loads, nothing is fetched, nothing overflows, light and dark."""

import pytest

from pagnet_ros.replay.report import write_report
from tests.replay.report.browser import Browser, find_chromium
from tests.replay.report.samples import PROBLEM, panels, results

PHONE, DESK = 390, 1280
WIDEST = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
BROKEN = "[...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.alt)"
EMPTY = "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().height < 5).length"
GROWTH = """(() => {
  const tile = document.querySelector('.tiles figure'), before = tile.offsetWidth;
  tile.focus();
  return [before, tile.offsetWidth];
})()"""
# WCAG 2 contrast of text against what is behind it, coloured words included
CONTRAST = """(() => {
  const linear = x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(x => linear(x / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratio = e => {
    const [dark, bright] = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const all = [...document.querySelectorAll('main, .soft, .better, .worse, .same, a, td, th, dt, dd, figcaption')];
  const worst = all.reduce((w, e) => ratio(e) < ratio(w) ? e : w);
  return { body: ratio(document.body), worst: ratio(worst), of: worst.outerHTML.slice(0, 120) };
})()"""
TALLER = "[...document.querySelectorAll('svg.chart text')].map(t => t.getBoundingClientRect().height)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with Browser(executable, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", params=["self", "none"])
def report(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    long = "run_with_a_very_long_name_and_no_place_to_break_it_2026_11_22-10_59_13_0.mcap"
    found = results(request.param, paths=(long,), depth=f"/{'camera' * 20}", damage=["x" * 300], problems=[PROBLEM])
    write_report(path, found, panels(reference=request.param != "none"))
    return path


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_picture_loads_and_nothing_is_logged_or_fetched(browser, report, width):
    browser.open(report, width)
    assert browser.logged == []
    assert browser.requests == [report.as_uri()]
    assert browser.evaluate("document.images.length") > 20
    assert browser.evaluate(BROKEN) == []
    assert browser.evaluate(EMPTY) == 0


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
def test_nothing_sticks_out_sideways(browser, report, width):
    browser.open(report, width)
    assert browser.evaluate(WIDEST) == width


def test_text_of_charts_is_readable_on_a_phone(browser, report):
    browser.open(report, PHONE)
    assert min(browser.evaluate(TALLER)) >= 9.5


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_the_page_in_light_and_dark(browser, report, dark):
    browser.open(report, DESK, dark=dark)
    ratios = browser.evaluate(CONTRAST)
    assert ratios["body"] >= 7
    assert ratios["worst"] >= 4.5, ratios


def test_a_picture_grows_when_it_is_chosen(browser, report):
    browser.open(report, DESK)
    before, after = browser.evaluate(GROWTH)
    assert after > 2 * before


def test_a_page_that_would_fetch_or_log_is_noticed(browser, tmp_path):
    """The checks above can fail."""
    bad = tmp_path / "bad.html"
    wide, loud = "<div style='width:2000px'>x</div>", "<script>console.error('no')</script>"
    bad.write_text(f"<img src='http://127.0.0.1:9/a.png' alt='gone'>{wide}{loud}")
    browser.open(bad, DESK)
    assert browser.evaluate(BROKEN) == ["gone"]
    assert "http://127.0.0.1:9/a.png" in browser.requests
    assert any("console.error" in line for line in browser.logged)
    assert browser.evaluate(WIDEST) > DESK
