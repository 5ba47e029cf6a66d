"""docs/doctor.md holds the table of the rules, and a node's page and the doctor's share their names."""

import re
from pathlib import Path

from pagnet_ros.diagnosis import RULES
from pagnet_ros.diagnosis.rules import markdown_table

ROOT = Path(__file__).parents[2]


def test_the_page_holds_the_table_of_the_rules():
    assert markdown_table() in (ROOT / "docs/doctor.md").read_text(encoding="utf-8"), (
        "docs/doctor.md is not what the rules say; paste the output of `python -c 'from pagnet_ros.diagnosis.rules "
        "import markdown_table as t; print(t())'` in the place of its table"
    )


def test_the_page_names_no_finding_that_there_is_not():
    named = re.findall(r"^\| `(\w+)` \| (?:error|warning)", (ROOT / "docs/doctor.md").read_text(encoding="utf-8"), re.M)
    assert named == list(RULES)


def test_what_the_node_says_too_has_the_same_name():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    said = set(
        re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in page.splitlines() if row.startswith("| `")))
    )
    shared = {"no_publisher", "silent_topic", "wrong_type", "incompatible_qos"}
    shared |= {"zero_stamp", "frozen_stamps", "never_pairs"}
    shared |= {"camera_info_uncalibrated", "camera_info_other_size", "frame_ids_differ", "depth_larger_than_color"}
    shared |= {"no_valid_depth", "negative_depth", "unknown_encoding"}
    assert shared <= said & set(RULES)
