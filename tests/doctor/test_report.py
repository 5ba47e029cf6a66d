"""What is printed, and what programs get."""

import builtins
import io
import json
import math
from dataclasses import replace

from pagnet_ros.diagnosis import diagnose
from pagnet_ros.diagnosis.observation import Observation
from pagnet_ros.doctor.report import as_json, print_report
from tests.diagnosis.healthy import changed, healthy

ILL = changed(depth={"arrivals": (), "images": ()}, machine={"compiler": ""})


def printed(seen):
    out = io.StringIO()
    print_report(seen, diagnose(seen), out)
    return out.getvalue()


def test_each_finding_is_printed_with_its_mend():
    text = printed(ILL)
    assert "error  silent_topic  /camera/depth/image" in text
    assert "mend:" in text
    assert "1 error(s), 1 warning(s)" in text
    assert "/camera/color/image  150 messages, 30.0 Hz, 640 x 480 rgb8" in text


def test_nothing_found_is_said():
    assert "nothing found" in printed(healthy())


def test_square_brackets_of_a_message_are_printed_as_they_are():
    seen = changed(consumers={"diagnostics_level": 1, "diagnostics": "[never_pairs] colour is late"})
    assert "[never_pairs] colour is late" in printed(seen)


def test_without_rich_the_same_words_come(monkeypatch):
    with_rich = printed(ILL).split()
    load = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith("rich"):
            raise ImportError(name)
        return load(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert printed(ILL).split() == with_rich


def test_json_holds_the_findings_and_what_was_watched():
    whole = json.loads(as_json(ILL, diagnose(ILL)))
    assert [finding["name"] for finding in whole["findings"]] == ["silent_topic", "no_compiler"]
    assert set(whole["findings"][0]) == {"name", "severity", "about", "came", "expected", "mend"}
    topics = {topic["stream"]: topic for topic in whole["topics"]}
    assert topics["color"]["rate_hz"] > 29
    assert topics["depth"]["age_ms"] is None
    assert whole["machine"]["compiler"] == ""


def test_json_of_nothing_is_json():
    assert json.loads(as_json(Observation(), []))["findings"] == []


def test_control_characters_of_a_message_do_not_reach_the_terminal():
    seen = changed(consumers={"diagnostics_level": 1, "diagnostics": "\x1b[2J\u202egone"})
    assert r"\x1b[2J\u202egone" in printed(seen)


def test_what_is_not_finite_is_null():
    seen = changed(color_info={"info": replace(healthy().color_info.info, fx=math.nan, cx=math.inf)})
    topics = {topic["stream"]: topic for topic in json.loads(as_json(seen, diagnose(seen)))["topics"]}
    assert topics["color_info"]["camera_info"]["fx"] is None
