"""Problems are counted each time, said once per period, and remembered for the diagnostics."""

from types import SimpleNamespace

from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health

SECOND = 1_000_000_000


def make(period_s=5.0):
    lines, clock, health = [], SimpleNamespace(now=0), Health()
    logger = SimpleNamespace(
        info=lambda line: lines.append(("info", line)),
        warn=lambda line: lines.append(("warn", line)),
        error=lambda line: lines.append(("error", line)),
    )
    return Reporter(logger, health, period_s, steady_ns=lambda: clock.now), lines, clock, health


def test_a_problem_is_said_once_per_period_with_what_was_held_back():
    reporter, lines, clock, health = make()
    for step in range(8):
        clock.now = step * SECOND
        reporter.report("wrong_step", "step 1; expected 2")
    assert lines == [
        ("warn", "[wrong_step] step 1; expected 2"),
        ("warn", "[wrong_step] step 1; expected 2 (4 more since the last report)"),
    ]
    assert health.snapshot(0).counts == {"problem.wrong_step": 8}


def test_the_same_problem_of_another_topic_is_said_too():
    reporter, lines, _, health = make()
    for topic in ("/depth", "/color", "/depth"):
        reporter.report("silent_topic", f"no message on {topic}", about=topic)
    assert len(lines) == 2
    assert len(reporter.recent(1.0)) == 2
    assert health.snapshot(0).counts == {"problem.silent_topic": 3}


def test_kinds_do_not_silence_each_other_and_keep_their_level():
    reporter, lines, _, _ = make()
    reporter.report("a", "x", "info")
    reporter.report("b", "y", "error")
    assert lines == [("info", "[a] x"), ("error", "[b] y")]


def test_recent_problems_are_newest_first_and_expire():
    reporter, _, clock, _ = make()
    reporter.report("old", "x")
    clock.now = 6 * SECOND
    reporter.report("new", "y")
    assert [problem.kind for problem in reporter.recent(10.0)] == ["new", "old"]
    assert [problem.kind for problem in reporter.recent(3.0)] == ["new"]


def test_period_zero_says_everything():
    reporter, lines, _, _ = make(period_s=0.0)
    for _ in range(3):
        reporter.report("a", "x")
    assert len(lines) == 3


def test_logging_at_every_level_is_accepted_by_the_real_logger(ros):
    node = ros.node("talker")
    reporter = Reporter(node.get_logger(), Health(), 0.0)
    for level in ("info", "warn", "error", "info"):
        reporter.report("kind", "text", level)


def test_a_line_is_bounded_and_cannot_steer_a_terminal():
    reporter, lines, _, _ = make()
    reporter.report("odd", "x" * 10_000)
    reporter.log("worse", "\x1b[2J \u202eabc\r \udcff")
    assert len(lines[0][1]) < 2100
    assert lines[1][1] == r"[worse] \x1b[2J \u202eabc\r \udcff"
    assert [len(problem.text) < 2100 for problem in reporter.recent(1.0)] == [True, True]
