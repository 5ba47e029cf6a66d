from __future__ import annotations

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_training.command import Arguments, command_line, description_of


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (None, 0, ""),
        (ConfigError("no such folder"), 2, "error: no such folder\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_command_line_ends_with_a_status_and_at_most_one_line(
    capsys: pytest.CaptureFixture[str], raised: BaseException | None, status: int, said: str
) -> None:
    @command_line
    def main(arguments: Arguments = None) -> None:
        assert arguments == ["--word"]
        if raised is not None:
            raise raised

    assert main(["--word"]) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("doc", "said"),
    [
        ("``python -m a.b X``: from `X` to a table.\n\nData flows: X -> table.", "From X to a table."),
        ("What a step costs.", "What a step costs."),
        (None, ""),
    ],
)
def test_help_says_what_a_command_is_for_and_nothing_of_its_inside(doc: str | None, said: str) -> None:
    assert description_of(doc) == said
