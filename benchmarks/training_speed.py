"""``python -m benchmarks.training_speed``: what a training step costs on this CPU, one setting changed at a time.

Data flows: a recipe and one change to it -> batches of rendered scenes -> whole steps (forward, loss, backward, clip,
Adam, average) in turn over all changes -> patches per second of processor time, and over that of the recipe as it is.

Processor time is what one core takes, whatever else the machine does; what several cores make of it is measured on the
clock, in processes of their own, and depends on what else runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch.utils.data import default_collate

from pagnet_training import surface_loss
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.data.patches import Patches
from pagnet_training.data.sources import load_sources
from pagnet_training.data.surface_patches import SurfacePatches
from pagnet_training.module import SuperResolution, SurfaceChoice, Training
from pagnet_training.recipe import DataRecipe, Recipe, SourceRecipe, load_recipe

RECIPES = Path(__file__).resolve().parents[1] / "training" / "recipes"
FAMILIES = {"fast": "fast_x4_sensor.yaml", "rt": "rt_x4_clean.yaml", "mid": "mid_x4_clean.yaml"}
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


class Change(NamedTuple):
    """What differs from the recipe in float32 on one thread.

    Attributes:
        recipe: keys of the recipe.
        contiguous: channels first instead of last.
        adam: options of `torch.optim.Adam`.
        compiled: the network through ``torch.compile``.
        footprints: share of those that usually enter the loss of a network that chooses surfaces.
    """

    recipe: dict[str, Any] = {}  # noqa: RUF012
    contiguous: bool = False
    adam: dict[str, bool] = {}  # noqa: RUF012
    compiled: bool = False
    footprints: float = 1.0


CHANGES = {
    "fp32, channels last, batch 8, patch 128": Change(),
    "bf16": Change({"precision": "bf16"}),
    "channels first": Change(contiguous=True),
    "batch 4": Change({"batch": 4}),
    "batch 16": Change({"batch": 16}),
    "patch 96, batch 14": Change({"patch": 96, "batch": 14}),
    "patch 192, batch 4": Change({"patch": 192, "batch": 4}),
    "Adam, one parameter after the other": Change(adam={"foreach": False}),
    "Adam, fused": Change(adam={"fused": True}),
}
FEWER = {"half of the footprints": Change(footprints=0.5), "a quarter": Change(footprints=0.25)}
COMPILED = {"compiled": Change(compiled=True)}


def steps(recipe: Recipe, change: Change) -> Callable[[], None]:
    """What takes one whole step of training on rendered scenes."""
    recipe = replace(recipe, **({"precision": "fp32"} | change.recipe))
    surfaces = recipe.model.output == "surfaces"
    module: Training = (SurfaceChoice if surfaces else SuperResolution)(recipe, compiled=change.compiled)
    if change.contiguous:
        module.net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        module.net.register_forward_pre_hook(lambda _, planes: tuple(plane.contiguous() for plane in planes))
    sources = load_sources(DataRecipe(sources=(SourceRecipe(kind="procedural", scenes=2),)))
    place = (sources, recipe.model.scale, recipe.patch, recipe.seed)
    patches = SurfacePatches(*place) if surfaces else Patches(*place, recipe.augmentation)
    batch = default_collate([patches[i] for i in range(recipe.batch)])
    optimiser = torch.optim.Adam(module.net.parameters(), recipe.optimiser.rate, recipe.optimiser.betas, **change.adam)
    averaged: list[torch.Tensor] = list(module.averaged.parameters())
    parameters: list[torch.Tensor] = list(module.net.parameters())

    shares = (surface_loss.SHARES[0] * change.footprints, surface_loss.SHARES[1] * change.footprints)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with patch.object(surface_loss, "SHARES", shares):
            loss = module.training_step(batch, 0)
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, parameters, 0.01)

    return step


def rates(recipe: Recipe, changes: dict[str, Change], rounds: int) -> dict[str, float]:
    """Patches per second of processor time of each change, the best of the rounds; in turn over all changes."""
    taken = {
        name: (steps(recipe, change), change.recipe.get("batch", recipe.batch)) for name, change in changes.items()
    }
    best = dict.fromkeys(changes, 0.0)
    for number in range(rounds + 1):
        for name, (step, batch) in taken.items():
            start = time.process_time()
            step()
            if number:  # the first allocates and compiles
                best[name] = max(best[name], batch / (time.process_time() - start))
    return best


def _alone(recipe: Recipe, changes: dict[str, Change], rounds: int) -> dict[str, float]:
    _quiet()
    return rates(recipe, changes, rounds)


def _on_the_clock(recipe: Recipe, threads: int, seconds: float) -> float:
    """Patches per second that a process reaches."""
    _quiet(threads)
    step = steps(recipe, Change())
    step()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        done += recipe.batch
    return done / (time.perf_counter() - start)


def _quiet(threads: int = 1) -> None:
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")


@contextmanager
def _processes(number: int, environment: dict[str, str]) -> Iterator[ProcessPoolExecutor]:
    """New processes that find `environment`."""
    os.environ.update(environment)
    try:
        with ProcessPoolExecutor(number, multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        for name in environment:
            os.environ.pop(name, None)


def measured(recipe: Recipe, rounds: int, seconds: float, compiled: bool) -> dict[str, tuple[float, str]]:
    """Patches per second by setting, and of which clock."""
    base = {next(iter(CHANGES)): Change()}
    with _processes(1, {}) as pool:
        changes = CHANGES | (FEWER if recipe.model.output == "surfaces" else {})
        found = pool.submit(_alone, recipe, changes, rounds).result()
    with _processes(1, KEPT_MEMORY) as pool:
        found["memory kept (MALLOC_)"] = next(iter(pool.submit(_alone, recipe, base, rounds).result().values()))
    if compiled:
        with _processes(1, {}) as pool:
            found |= pool.submit(_alone, recipe, COMPILED, rounds).result()
    result = {name: (rate, "processor") for name, rate in found.items()}
    for name, number, threads in (("1 process of 2 threads", 1, 2), ("2 processes of 1 thread", 2, 1)):
        if seconds > 0:
            with _processes(number, {}) as pool:
                jobs = [pool.submit(_on_the_clock, recipe, threads, seconds) for _ in range(number)]
                result[name] = (sum(job.result() for job in jobs), "clock")
    return result


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; prints a table in Markdown; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=description_of(__doc__))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=5, help="steps that count, of which the best is taken")
    parser.add_argument("--seconds", type=float, default=20.0, help="on the clock, per number of processes; 0 for none")
    parser.add_argument("--compile", action="store_true", help="torch.compile too; takes a C++ compiler and minutes")
    options = parser.parse_args(arguments)
    columns = {
        name: measured(load_recipe(RECIPES / FAMILIES[name]), options.rounds, options.seconds, options.compile)
        for name in options.families
    }
    lines = [f"| patches per second | {' | '.join(columns)} | of |", "|---" * (len(columns) + 2) + "|"]
    for name, (_, clock) in next(iter(columns.values())).items():
        rates_of = (f"{column[name][0]:.1f}" if name in column else "-" for column in columns.values())
        lines.append(f"| {name} | {' | '.join(rates_of)} | {clock} |")
    load = os.getloadavg()[0]
    sys.stdout.write("\n".join(lines) + f"\n\nload average {load:.1f} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    sys.exit(main())
