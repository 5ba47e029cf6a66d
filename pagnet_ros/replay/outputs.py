"""What a replay leaves on disk: report, JSON, CSV, a bag, a recording for the rerun viewer.

Some are written while the replay runs. Everything appears under its name once it is complete, or not at all
(`files.OutputFolder`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pagnet_ros.errors import ConfigError
from pagnet_ros.recordings.bags import BagMessage, BagTopic
from pagnet_ros.replay.files import OutputFolder
from pagnet_ros.replay.highlights import Ranking, draw_chosen
from pagnet_ros.replay.results import Results
from pagnet_ros.replay.run import Given
from pagnet_ros.replay.run_options import Observer
from pagnet_ros.replay.tables import FrameTable, write_methods
from pagnet_ros.replay.write_bag import BagCopy

REPORT, RESULTS, METHODS, FRAMES, BAG, RERUN = (
    "report.html", "results.json", "methods.csv", "frames.csv", "bag", "replay.rrd",
)  # fmt: skip


@dataclass(frozen=True)
class OutputOptions:
    """Which files to write.

    Attributes:
        folder: where to.
        html: `report.html`.
        json: `results.json`.
        csv: `methods.csv` and `frames.csv`.
        bag: `bag/`, the recording with the result added.
        hr_topic: topic of the result in it.
        rerun: `replay.rrd`, for the rerun viewer.
        force: replace what is there.
    """

    folder: Path
    html: bool = True
    json: bool = True
    csv: bool = True
    bag: bool = False
    hr_topic: str = "/depth_hr"
    rerun: bool = False
    force: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the files in the folder."""
        wanted = (
            (REPORT, self.html), (RESULTS, self.json), (METHODS, self.csv), (FRAMES, self.csv), (BAG, self.bag),
            (RERUN, self.rerun),
        )  # fmt: skip
        return [name for name, is_wanted in wanted if is_wanted]


class ReplayOutputs:
    """The files of one replay in the making; see `opened`.

    Attributes:
        observers: to be shown every frame.
        tap: to be shown every message of a bag, or None if nobody wants them.
    """

    def __init__(self, options: OutputOptions, folder: OutputFolder, files: ExitStack, ranking: Ranking) -> None:
        self.observers: list[Observer] = []
        self.tap: Callable[[BagMessage], None] | None = None
        self._options, self._folder, self._files, self._ranking = options, folder, files, ranking
        self._copy: BagCopy | None = None

    @classmethod
    @contextmanager
    def opened(
        cls, options: OutputOptions, mode: str, main: str, topics: Mapping[str, BagTopic]
    ) -> Iterator[ReplayOutputs]:
        """Check that the files can be written, and open those that grow while the replay runs.

        Leaving the context gives the files their names; an error removes them.

        Args:
            options: which files.
            mode: of the run, resolved.
            main: name of the method that is judged.
            topics: of the bag; empty for a folder of frames.

        Raises:
            OutputError: something is there already, or the folder cannot be written to.
            ConfigError: a topic of the written bag is taken, or what a file needs is not installed.
        """
        with (
            OutputFolder(options.folder, options.names, options.force) as folder,
            folder.explained(),
            ExitStack() as files,
        ):
            outputs = cls(options, folder, files, Ranking(main, mode))
            outputs._start(main, dict(topics))
            yield outputs

    @property
    def notes(self) -> list[str]:
        """What could not be written."""
        left_out = self._copy.left_out if self._copy else {}
        return [f"{BAG}: {topic} left out: {why}" for topic, why in left_out.items()]

    def finish(self, results: Results, again: Callable[[Collection[int]], Iterable[Given]]) -> list[Path]:
        """Write what needs the whole run.

        Args:
            results: of the run.
            again: answers of the same methods to the frames of these numbers, for the report's pictures.

        Returns:
            Every file, under the name it gets when the context is left.
        """
        with self._folder.explained():
            self._files.close()
            if self._options.json:
                (self._folder / RESULTS).write_text(results.to_json(), encoding="utf-8")
            if self._options.csv:
                write_methods(self._folder / METHODS, results)
            if self._options.html:
                from pagnet_ros.replay.report import write_report

                write_report(self._folder / REPORT, results, draw_chosen(self._ranking, again))
        return [self._options.folder / name for name in self._options.names]

    def _start(self, main: str, topics: dict[str, BagTopic]) -> None:
        for name in ("jinja2", "matplotlib") if self._options.html else ():
            if importlib.util.find_spec(name) is None:
                raise ConfigError(
                    f"the report needs {name}, which is not installed; expected `pip install {name}`, or "
                    "--json and --csv without --html"
                )
        if self._options.csv:
            table = self._files.enter_context(FrameTable(self._folder / FRAMES))
            self.observers.append(table)
        if self._options.bag:
            copy = self._files.enter_context(BagCopy(self._folder / BAG, main, topics, self._options.hr_topic))
            self._copy = copy
            self.observers.append(copy)
            self.tap = copy.on_message if topics else None
        if self._options.html:
            self.observers.append(self._ranking)
        if self._options.rerun:
            from pagnet_ros.replay.rerun_log import RerunLog

            self.observers.append(self._files.enter_context(RerunLog(self._folder / RERUN, main)))
