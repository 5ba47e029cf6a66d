"""``python -m pagnet_training.export``: a training checkpoint -> a weights file that `pagnet_ros` can load.

The averaged weights are exported, in half precision, with a header that tells recipe, command, data and scores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, build_network, load_weights, save_weights
from pagnet_training.best import BEST, LAST, chosen_checkpoint
from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.evaluate import score_weights
from pagnet_training.machine import commit
from pagnet_training.module import see_brightness_only
from pagnet_training.protocol import read_protocol_images


def export(
    checkpoint_path: Path,
    target: Path,
    *,
    description: str = "",
    command: str = "",
    variant: str = "",
    grey: bool = False,
    planar_gate: bool = False,
    average_with: Sequence[Path] = (),
    validation: Path | None = None,
) -> WeightsHeader:
    """Write a weights file from a checkpoint.

    Args:
        checkpoint_path: written by training; of a run's folder the best one by its validation, else the last.
        target: the weights file; its name is the network's.
        description: one sentence for a person choosing.
        command: the command that trained it.
        variant: the degradation it was trained for; empty is ``sensor`` for a network that chooses surfaces, else
            ``clean``.
        grey: guide by brightness alone; always so where training was (``augmentation.grey`` of 1).
        planar_gate: switch the configuration's gate on; it has no weights, so training need not know it.
        average_with: weights files of the same configuration; the mean of all is written, each counting as much. The
            mean of a network and of what further training made of it is often better than both (Wortsman et al.,
            "Model soups", ICML 2022).
        validation: folder of protocol images; their scores go into the header.

    Raises:
        WeightsError: the checkpoint is unreadable, or the file cannot be written.
        ConfigError: something is asked for that this kind of network has not.
        RecordingError: the validation folder is damaged.
    """
    checkpoint_path = chosen_checkpoint(checkpoint_path)
    checkpoint = read_checkpoint(checkpoint_path)
    config = ModelConfig.from_dict(checkpoint.recipe["model"])
    if planar_gate:
        config = replace(config, planar_gate=True)
    net = build_network(config)
    net.load_state_dict(checkpoint.part("ema"))
    recipe = _of_no_machine(checkpoint.recipe)
    if average_with:
        _average(net, config, average_with)
        recipe["average_with"] = [path.name for path in average_with]
    grey = grey or recipe["augmentation"].get("grey", 0) >= 1
    if not isinstance(net, PagNet) and (grey or validation):
        raise ConfigError(f"{checkpoint_path}: --grey and --validation are for networks that regress depth; leave out")
    if grey and isinstance(net, PagNet):
        see_brightness_only(net)
    recipe |= {"guided_by": "brightness" if grey else "colour", "command": command}
    recipe |= {"steps_done": checkpoint.step, "training_minutes": round(checkpoint.seconds / 60, 1)}
    data = sorted({source["path"] or source["kind"] for source in recipe["data"]["sources"]})
    header = WeightsHeader(
        name=target.stem,
        config=config,
        description=description,
        variant=variant or ("sensor" if config.output == "surfaces" else "clean"),
        normalisation="local" if config.output == "surfaces" else "frame-range",
        recipe=recipe,
        commit=commit(),
        seed=recipe["seed"],
        data=tuple(data),
    )
    save_weights(target, net, header)
    if validation is not None:
        scores = score_weights(target, read_protocol_images(validation))
        header = replace(header, scores={"middlebury_val": scores})
        save_weights(target, load_weights(target)[0], header)
    return header


def _of_no_machine(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without the paths of the machine that it was trained on: their last parts are left."""

    def last(path: str) -> str:
        where = Path(path)
        here = not where.is_absolute() and ".." not in where.parts
        return path if here else "/".join(where.parts[-2 if where.name in (BEST, LAST) else -1 :])

    data, sensor = recipe["data"], recipe.get("sensor", {})
    sources = [each | {key: last(each.get(key, "")) for key in ("path", "cache")} for each in data["sources"]]
    places = {key: last(data.get(key, "")) for key in ("root", "validation")}
    return recipe | {
        "warm_start": last(recipe.get("warm_start", "")),
        "teacher": last(recipe.get("teacher", "")),
        "data": data | places | {"sources": sources},
        "sensor": sensor | {"profiles": [last(profile) for profile in sensor.get("profiles", ())]},
    }


def _average(net: nn.Module, config: ModelConfig, others: Sequence[Path]) -> None:
    """Replace the weights by the mean of them and of those in other files, in place."""
    total = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for path in others:
        other, header = load_weights(path)
        if header.config != config:
            raise ConfigError(f"{path} holds {header.config}, expected {config}; only equal networks can be averaged")
        for name, tensor in other.state_dict().items():
            total[name] += tensor
    net.load_state_dict({name: tensor / (1 + len(others)) for name, tensor in total.items()})


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_training.export", description=description_of(__doc__))
    parser.add_argument("checkpoint", type=Path, help="folder of a run, of which the best is taken; or a checkpoint")
    parser.add_argument("target", type=Path)
    parser.add_argument("--description", default="")
    parser.add_argument("--command", default="", help="the command that trained it, for the header")
    parser.add_argument(
        "--variant", default="", help="the depth it is for (default: sensor where it chooses surfaces, else clean)"
    )
    parser.add_argument("--grey", action="store_true", help="guide by brightness alone")
    parser.add_argument("--planar-gate", action="store_true", help="add nothing where the measured depth is planar")
    parser.add_argument(
        "--average-with",
        type=Path,
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="write the mean of the checkpoint and of this weights file; may be given several times",
    )
    parser.add_argument("--validation", type=Path, help="folder of protocol images, scored into the header")
    options = parser.parse_args(arguments)
    header = export(
        options.checkpoint,
        options.target,
        description=options.description,
        command=options.command,
        variant=options.variant,
        grey=options.grey,
        planar_gate=options.planar_gate,
        average_with=options.average_with,
        validation=options.validation,
    )
    scores = f", {header.scores}" if header.scores else ""
    sys.stdout.write(f"{options.target}: {header.name}, step {header.recipe['steps_done']}{scores}\n")


if __name__ == "__main__":
    sys.exit(main())
