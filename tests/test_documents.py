"""What the documents point to is there: links, files, pictures, and every command with its options."""

import argparse
import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PROSE = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.rst",
    "training/README.md",
    "docs/*.md",
    "pagnet_ros/**/*.md",
)
DOCUMENTS = sorted(path for pattern in PROSE for path in ROOT.glob(pattern))
COMMENTED = sorted([*ROOT.glob("config/**/*.yaml"), *ROOT.glob("launch/*.py")])
PASSES_ON = {"studies.ablation": ("pagnet_training.train", "RECIPE")}  # options, and what they stand behind
TREE = ("benchmarks", "config", "docs", "launch", "pagnet_ros", "scripts", "studies", "tests", "training")


class Found(NamedTuple):
    """Something a document names, and where."""

    where: str
    text: str


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _spans(path: Path) -> list[str]:
    """A document's inline code, and each line of its code blocks with its continuations."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = [" ".join(span.split()) for span in re.findall(r"`+([^`]+)`+", prose)]
    return inline + [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def _commands(pattern: str) -> list[Found]:
    """Every command of a kind: what follows the pattern's match, up to the end of the command."""
    lines = [(path, span) for path in DOCUMENTS for span in _spans(path)]
    lines += [(path, line) for path in COMMENTED for line in path.read_text(encoding="utf-8").splitlines()]
    found = [
        Found(_name(path), re.split(r" # |[|;>]|&&|``", span[match.start() :])[0].strip())
        for path, span in lines
        for match in re.finditer(pattern, span)
    ]
    return sorted({command.text: command for command in found}.values(), key=lambda command: command.text)


def _words(text: str) -> list[str]:
    """A command's words without what stands for more of them."""
    return [word for word in shlex.split(text.replace("[", " ").replace("]", " ")) if not word.startswith("...")]


@pytest.fixture
def refusal(monkeypatch, capsys):
    """What a module's command line has against some words, empty where it takes them; nothing is carried out."""
    parse, not_taken = argparse.ArgumentParser.parse_known_args, []

    def parse_and_stop(self, *arguments, **keywords):
        not_taken[:] = parse(self, *arguments, **keywords)[1]
        self.exit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse_and_stop)

    def of(module_name, words):
        module = _import(module_name)
        if not words:
            return "" if callable(module.main) else "no main"
        with pytest.raises(SystemExit) as caught:
            module.main(words)
        if caught.value.code != 0:
            return capsys.readouterr().err
        if not_taken and module_name in PASSES_ON:
            other, *first = PASSES_ON[module_name]
            return of(other, [*first, *not_taken])
        return f"unknown: {not_taken}" if not_taken else ""

    return of


def _import(name):
    """The module that `python -m` would run."""
    if name.startswith(("pagnet_training", "studies")):
        pytest.importorskip("lightning", reason="the training extra is not installed here")
        pytest.importorskip("pagnet_training", reason="the project is not installed here (make setup)")
    if name.startswith(("pagnet_ros.ros", "benchmarks")):
        pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
        started = re.search(r'start\("([\w.]+)"\)', Path(module.__file__).read_text(encoding="utf-8"))
        return importlib.import_module(started[1]) if started else module
    return module


MODULE = r"python -m (?:pagnet_|benchmarks|studies)[\w.]+"


@pytest.mark.parametrize("command", _commands(MODULE), ids=lambda found: found.text)
def test_a_module_that_is_to_be_run_understands_its_options(command, refusal):
    module, *words = _words(command.text.removeprefix("python -m "))
    assert not refusal(module, words), f"{command.where}: `{command.text}`"


@pytest.mark.parametrize("command", _commands(r"ros2 run pagnet_ros \w+"), ids=lambda found: found.text)
def test_an_executable_is_installed_and_the_replay_understands_its_options(command, refusal):
    name, *words = _words(command.text.removeprefix("ros2 run pagnet_ros "))
    assert (ROOT / "scripts/run" / name).is_file(), f"{command.where} names {name}"
    if name == "replay":
        assert not refusal("pagnet_ros.replay", words), f"{command.where}: `{command.text}`"


@pytest.mark.parametrize("command", _commands(r"ros2 launch pagnet_ros \S+"), ids=lambda found: found.text)
def test_a_launch_file_declares_what_it_is_given(command):
    file, *words = _words(command.text.removeprefix("ros2 launch pagnet_ros "))
    text = "".join((ROOT / "launch" / name).read_text(encoding="utf-8") for name in {file, "pagnet.launch.py"})
    known = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    given = {word.partition(":=")[0] for word in words if ":=" in word}
    assert given <= known, f"{command.where}: `{command.text}`"


@pytest.mark.parametrize("command", _commands(r"^make [a-z-]+(?= |$)"), ids=lambda found: found.text)
def test_make_knows_its_targets_and_variables(command):
    _, target, *words = _words(command.text)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"{command.where}: no such target in `make help`"
    for variable in (word.partition("=")[0] for word in words if "=" in word):
        assert variable in makefile, f"{command.where}: `{command.text}`"


def test_every_target_is_listed_by_make_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert listed == set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())


def _anchors(path: Path) -> set[str]:
    """The anchors that a page of Markdown has: its headings, as the usual renderers spell them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.suffix == ".md"], ids=_name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\((?!\w+://)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), f"{_name(path)} points to {link}"
        assert not anchor or anchor in _anchors(target), f"{_name(path)} points to {link}"


def _expanded(pattern: str) -> list[str]:
    """`a{1,2}` as the shell reads it."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    parts = (pattern[: found.start()] + part + pattern[found.end() :] for part in found.group(1).split(","))
    return [name for part in parts for name in _expanded(part)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_files_of_the_tree_that_are_named_exist(path):
    words = [word.strip(".,:;()'\"") for span in _spans(path) for word in span.split()]
    for word in words:
        if word.startswith(tuple(f"{top}/" for top in TREE)) and not re.search(r"[$<]|[A-Z]{4}", word):
            for name in _expanded(word):
                assert any(ROOT.glob(name.rstrip("/"))), f"{_name(path)} names {word}"


def _named(path: Path) -> set[tuple[str, str]]:
    """Modules of the packages that a document's code names, each with what is taken from it, or nothing."""
    lines = _spans(path)
    taken = [re.match(r"from (pagnet_ros[.\w]*|pagnet_training[.\w]*) import (.+)", line) for line in lines]
    names = {(found[1], name.split()[0]) for found in taken if found for name in found[2].strip("()").split(",")}
    dotted = [line for line in lines if re.fullmatch(r"pagnet_(ros|training)(\.\w+)+(\(\))?", line)]
    return names | {(name[0], name[2]) for line in dotted if (name := line.removesuffix("()").rpartition("."))}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_names_of_the_packages_that_are_written_exist(path):
    for module, name in _named(path):
        if module.startswith("pagnet_training"):
            pytest.importorskip("pagnet_training", reason="the project is not installed here (make setup)")
        if not hasattr(importlib.import_module(module), name):
            importlib.import_module(f"{module}.{name}")


def test_every_picture_is_shown_somewhere():
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    unseen = [path.name for path in (ROOT / "docs/images").iterdir() if f"images/{path.name}" not in text]
    assert not unseen
