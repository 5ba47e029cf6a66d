"""An estimated offset is said once when it appears and once when it goes; one that the user set is not."""

import numpy as np

from pagnet_ros.core.registration.registrar import Registrar
from pagnet_ros.ros.node.registration_report import RegistrationReport
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from tests.core.registration.boxes import boxes


class Lines:
    def __init__(self):
        self.said = []

    def info(self, line):
        self.said.append(("info", line))

    def warn(self, line):
        self.said.append(("warn", line))

    error = warn


def make(setting):
    lines, registrar = Lines(), Registrar()
    registrar.configure(setting)
    return lines.said, registrar, RegistrationReport(Reporter(lines, Health()))


def test_an_offset_that_appears_is_said_once_with_what_to_do():
    said, registrar, report = make("auto")
    frame = boxes(seed=3, offset=(7, -6))
    for _ in range(4):
        registrar.shift(*frame)
        report.look(registrar)
    [(level, line)] = said
    assert level == "warn"
    assert line.startswith("[registration] depth and colour are off by (+")
    for words in ("expected none", "moved by", "Recalibrate", "registration", "none undoes it"):
        assert words in line


def test_an_offset_that_goes_is_said_once():
    said, registrar, report = make("auto")
    registrar.shift(*boxes(seed=3, offset=(7, -6)))
    report.look(registrar)
    views = [boxes(seed=seed) for seed in range(7)]
    for number in range(1, 700):
        registrar.shift(*views[number % 7])
        report.look(registrar)
    assert [level for level, _ in said] == ["warn", "info"]
    assert "lies on the colour image again" in said[1][1]


def test_registered_depth_and_a_fixed_offset_need_no_words():
    for setting, offset in (("auto", (0, 0)), ("7,-6", (7, -6)), ("none", (7, -6))):
        said, registrar, report = make(setting)
        registrar.shift(*boxes(seed=3, offset=offset))
        report.look(registrar)
        assert not said


def test_a_view_that_tells_nothing_is_no_news():
    said, registrar, report = make("auto")
    registrar.configure("auto", (0.02, 0.0))
    registrar.shift(np.full((60, 80), 2.0, np.float32), np.zeros((240, 320, 3), np.uint8))
    report.look(registrar)
    assert registrar.offset_px != (0.0, 0.0)
    assert not said
