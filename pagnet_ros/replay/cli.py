"""Command line of the replay: arguments to options, a progress bar, a table, and the exit code.

python -m pagnet_ros.replay BAG --scale 4 --out out/replay
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pagnet_ros.core.alignment.offset import SENSOR
from pagnet_ros.errors import ConfigError, PagnetError, did_you_mean
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.replay.files import OutputError, refuse_present
from pagnet_ros.replay.frame import Source, SourceOptions
from pagnet_ros.replay.gate import Verdict, compare, parse_share
from pagnet_ros.replay.methods import Method, RecordedResult, make_baselines, make_networks
from pagnet_ros.replay.metrics import MetricSettings
from pagnet_ros.replay.outputs import OutputOptions, ReplayOutputs
from pagnet_ros.replay.results import Results, read_results
from pagnet_ros.replay.run import Given, answers, evaluate, main_method
from pagnet_ros.replay.run_options import MODES, RunOptions
from pagnet_ros.replay.source import open_source
from pagnet_ros.replay.tables import print_summary
from pagnet_ros.system.allocator import keep_freed_memory
from pagnet_ros.system.files import TextFileError, parse_yaml
from pagnet_ros.system.settings import add_flags, fields_of, typed

FINE, FELL, BAD_INPUT, PARTLY_READ, CANNOT_WRITE, INTERRUPTED = 0, 1, 2, 3, 4, 130
_EXIT_CODES = """exit codes:
  0    evaluated
  1    evaluated, and a metric fell by more than --max-regression
  2    wrong usage, or nothing in the recording could be evaluated
  3    evaluated, but part of the recording could not be read or was refused
  4    the results could not be written; nothing was left behind
  130  stopped by Ctrl-C; nothing was left behind"""

T = TypeVar("T")


@dataclass(frozen=True)
class _Command:
    """A command line, checked; `words` are those given."""

    words: tuple[str, ...]
    paths: tuple[str, ...]
    source: SourceOptions
    run: RunOptions
    methods: Callable[[], list[Method]]
    outputs: OutputOptions | None
    baseline: Results | None
    max_regression: float
    gate_metrics: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `replay`.

    Args:
        arguments: command line without the program's name; the process's own if None.

    Returns:
        The exit code; see `--help`.
    """
    parser = _parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = parser.parse_args(words)
    console, errors = Console(), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        return _run(_command(given, words), console, errors)
    except OutputError as error:
        errors.print(f"replay: {error}", markup=False)
        return CANNOT_WRITE
    except PagnetError as error:
        errors.print(f"replay: {error}", markup=False)
        return BAD_INPUT
    except KeyboardInterrupt:
        errors.print("replay: stopped; nothing was written")
        return INTERRUPTED


def check(words: Sequence[str]) -> None:
    """Refuse a command line that could not be carried out, before there is a recording to replay.

    Raises:
        ConfigError: options that do not fit.
        OutputError: results are there already.
    """
    command = _command(_parser().parse_args(words), words)
    command.methods()
    if command.outputs is not None:
        refuse_present(command.outputs.folder, command.outputs.names, command.outputs.force)


def _run(command: _Command, console: Console, errors: Console) -> int:
    keep_freed_memory()  # each frame asks for the same images again
    methods = command.methods()
    with open_source(command.paths, command.source) as source:
        results, written, notes = _evaluate(source, methods, command, errors)
    print_summary(results, console)
    for text in [*results.damage, *notes]:
        errors.print(f"not readable: {text}" if text in results.damage else text, markup=False)
    if written:
        names = ", ".join(path.name for path in written)
        console.print(f"written to {written[0].parent}: {names}", markup=False, soft_wrap=True)
    if command.baseline is not None:
        verdict = compare(command.baseline, results, command.max_regression, command.gate_metrics)
        _print_verdict(verdict, command.max_regression, console)
        if verdict.falls:
            return FELL
    return PARTLY_READ if results.damage or results.counts.refused else FINE


def _evaluate(
    source: Source, methods: list[Method], command: _Command, errors: Console
) -> tuple[Results, list[Path], list[str]]:
    """Run, write, and tell what could not be written."""
    with _progress(source.expected, errors) as progress:
        if command.outputs is None:
            return evaluate(source, methods, command.run, progress=progress), [], []
        mode = command.run.resolved(source.recording.reference is not None)
        topics = getattr(getattr(source, "bag", None), "topics", {})
        with ReplayOutputs.opened(command.outputs, mode, main_method(methods), topics) as outputs:
            results = evaluate(source, methods, command.run, outputs.observers, progress, outputs.tap)
            given = ["python", "-m", "pagnet_ros.replay", *command.words]  # differs between runs, as --out does
            results = dataclasses.replace(results, timings={**results.timings, "command": given})

            def again(only: Collection[int]) -> Iterator[Given]:
                with open_source(command.paths, command.source) as reopened:
                    yield from answers(reopened, methods, command.run, only)

            written = outputs.finish(results, again)
        return results, written, outputs.notes


@contextmanager
def _progress(expected: int, errors: Console) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on a terminal, nothing elsewhere."""
    columns = (
        TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("frames,"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=expected)
        yield lambda done: progress.update(task, completed=min(done, expected))


def _print_verdict(verdict: Verdict, allowed: float, console: Console) -> None:
    for note in verdict.notes:
        console.print(note, markup=False)
    for fall in verdict.falls:
        console.print(f"worse: {fall}", markup=False)
    what = f"{verdict.compared} metrics compared, {len(verdict.falls)} worse"
    console.print(f"{what} by more than {100 * allowed:.3g} % of their loss", markup=False)


def _command(given: argparse.Namespace, words: Sequence[str]) -> _Command:
    """Options from arguments; every `ConfigError` of theirs comes from here."""
    source = SourceOptions(
        **{field.name: getattr(given, field.name) for field in fields_of(SourceOptions)},
        use_reference=given.mode in ("auto", "reference") and given.scale is None,
        reproject=not given.no_reproject,
    )
    pipeline = _with(UpsamplerOptions(metric=True, registration=given.registration), given.option, "--option")
    if pipeline.registration == SENSOR and pipeline.known_offset == (0.0, 0.0):
        raise ConfigError("registration = 'sensor'; expected the offset itself, X,Y: no profile is read here")
    metrics = _with(MetricSettings(), given.metric, "--metric")
    run = RunOptions(given.mode, given.scale, pipeline, metrics, score=not given.no_metrics)
    if given.result and given.scale is not None:
        raise ConfigError("--result with --scale; a recorded result is of the recorded depth; leave one of them out")
    if given.max_regression is not None and given.baseline is None:
        raise ConfigError("--max-regression without --baseline; name the results.json to compare with")
    if given.gate and given.baseline is None:
        raise ConfigError("--gate without --baseline; name the results.json to compare with")
    return _Command(
        words=tuple(words),
        paths=tuple(given.recording),
        source=source,
        run=run,
        methods=lambda: _methods(given, pipeline),
        outputs=_outputs(given),
        baseline=None if given.baseline is None else read_results(given.baseline),
        max_regression=parse_share(given.max_regression or "2%"),
        gate_metrics=tuple(given.gate),
    )


def _methods(given: argparse.Namespace, pipeline: UpsamplerOptions) -> list[Method]:
    recorded: list[Method] = [RecordedResult(given.result)] if given.result else []
    weights = given.weights if given.weights is not None else [] if recorded else ["auto"]
    networks = recorded + make_networks(weights, pipeline, given.device, given.precision)
    names = None if given.baselines is None else [name for name in given.baselines if name != "none"]
    filters = make_baselines(names, pipeline, remove_flying=given.trusted_baselines and pipeline.remove_flying)
    if not networks and not filters:
        raise ConfigError("neither networks nor baselines; name some with --weights or --baselines")
    return [*networks, *filters]


def _outputs(given: argparse.Namespace) -> OutputOptions | None:
    some = given.html or given.json or given.csv
    options = OutputOptions(
        folder=Path(given.out or "").expanduser(),
        html=given.html or not some,
        json=given.json or not some,
        csv=given.csv or not some,
        bag=given.write_bag,
        hr_topic=given.hr_topic,
        rerun=given.rerun,
        force=given.force,
    )
    if given.out is None:
        wanted = [
            f"--{n.replace('_', '-')}" for n in ("html", "json", "csv", "write_bag", "rerun") if getattr(given, n)
        ]
        if wanted:
            raise ConfigError(f"{', '.join(wanted)} without --out; name the folder that results go to")
        return None
    return options


def _with(options: T, changes: Sequence[str], flag: str) -> T:
    """The options with ``NAME=VALUE`` applied; the values are YAML."""
    known = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if name not in known or not equals:
            hint = did_you_mean(name, known, f"known are {', '.join(known)}")
            raise ConfigError(f"{flag} {change}; expected NAME=VALUE ({hint})")
        try:
            values[name] = typed(getattr(options, name), parse_yaml(text))
        except TextFileError as error:
            raise ConfigError(f"{flag} {change}; expected NAME=VALUE with a number, a word or a list [1, 2]") from error
    return dataclasses.replace(options, **values)  # type: ignore[type-var]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="replay",
        description="Replay recordings through the node's pipeline and measure how good the depth is.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("recording", nargs="+", help="bags (folder, .mcap, .db3, or a .bag of ROS 1), or one folder of frames")
    _add_input(parser.add_argument_group("what is read"))
    _add_methods(parser.add_argument_group("what is compared"))
    _add_output(parser.add_argument_group("what is written"))
    gate = parser.add_argument_group("regression gate").add_argument
    gate("--baseline", metavar="JSON", help="results.json (or its folder) of an earlier replay to compare with")
    gate("--max-regression", metavar="SHARE", help="largest growth of a metric's loss that passes (default 2%%)")
    gate("--gate", nargs="+", default=[], metavar="METRIC", help="judge these metrics only (default all)")
    return parser


def _add_input(group: Any) -> None:
    names = {"start_s": "start", "duration_s": "duration", "slop_ms": "slop", "depth_unit_m": "depth-unit"}
    add_flags(group, SourceOptions, {field: f"--{name}" for field, name in names.items()})
    add = group.add_argument
    add("--mode", choices=("auto", *MODES), default="auto",
        help="error against a reference, against the recorded depth itself, or metrics that need neither")  # fmt: skip
    add("--scale", type=int, metavar="N", help="take the recorded depth as truth, made coarser by N (2 to 16) as input")
    add("--no-reproject", action="store_true",
        help="take depth of a bag for registered to colour, whatever its frame_id says")  # fmt: skip


def _add_methods(group: Any) -> None:
    add = group.add_argument
    add("--weights", nargs="*", metavar="NAME",
        help="names, families, weights files, auto, bicubic (the node's); identity (default auto)")  # fmt: skip
    add("--baselines", nargs="*", metavar="NAME", help="classical filters beside them, or none (default all)")
    add("--trusted-baselines", action="store_true", help="remove the filters' flying pixels too, as the node does")
    add("--device", default="auto", help="where networks run: auto, cpu, cuda, cuda:N")
    add("--precision", default="auto", help="what they compute in: auto, fp32, bf16, fp16")
    add("--registration", default="none", metavar="X,Y",
        help="move depth by an offset in colour pixels (`python -m pagnet_ros.replay.alignment` tells it)")  # fmt: skip
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline, such as max_depth_m=6")
    add("--metric", action="append", default=[], metavar="NAME=VALUE", help="of the metrics, such as voxel_m=0.1")
    add("--no-metrics", action="store_true", help="only run the methods (for --write-bag, or to measure time)")


def _add_output(group: Any) -> None:
    add = group.add_argument
    add("--out", metavar="FOLDER", help="folder for the results; without it only the table is printed")
    add("--html", action="store_true", help="write report.html (with --json and --csv: only those named; default all)")
    add("--json", action="store_true", help="write results.json")
    add("--csv", action="store_true", help="write methods.csv and frames.csv")
    add("--write-bag", action="store_true", help="write the recording with the first network's result added (mcap)")
    add("--hr-topic", default="/depth_hr", metavar="TOPIC", help="topic of the result there (default /depth_hr)")
    add("--rerun", action="store_true", help="write a recording for the rerun viewer")
    add("--force", action="store_true", help="replace results that are there")
