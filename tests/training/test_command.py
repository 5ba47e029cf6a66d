from __future__ import annotations

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_training.command import Arguments, command_line


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
