"""A safetensors file <-> (network, WeightsHeader). No device, no training, no pickle.

A weights file carries everything needed to use it: one JSON header (format version, configuration, how depth was
normalised, how and on what it was trained, its scores) beside the tensors. Foreign or damaged files are refused
with a message naming the file and what is wrong with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pagnet_ros.errors import ConfigError, WeightsError, did_you_mean
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.system.files import replaced

FORMAT_VERSION = 1
HEADER_KEY = "pagnet"
MAX_FILE_BYTES = 256 * 1024 * 1024
NORMALISATIONS = ("frame-range", "local")
_JSON_TYPES: dict[str, type] = {
    "name": str,
    "config": dict,
    "description": str,
    "variant": str,
    "normalisation": str,
    "recipe": dict,
    "commit": str,
    "seed": int,
    "data": list,
    "scores": dict,
}
_JSON_NAMES = {str: "a text", dict: "an object", int: "an integer", list: "a list of texts"}
_FLOATS = ("F16", "BF16", "F32")


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says of itself.

    Attributes:
        name: for example ``rt-x4-clean``: family, scale, variant.
        config: shape of the network.
        description: one sentence for a person choosing.
        variant: the degradation it was trained for: ``clean``, ``tof``, ``kinect``, or a sensor profile's name.
        normalisation: how depth is brought to the network's range; ``frame-range`` maps a frame's smallest and
            largest depth to 0 and 1, ``local`` gives each pixel its neighbours relative to itself.
        recipe: the training recipe as plain values, with the command that ran it.
        commit: version of the source it was trained with.
        seed: of the training.
        data: names of the data sets it was trained on.
        scores: what it measured, by protocol.
    """

    name: str
    config: ModelConfig
    description: str = ""
    variant: str = "clean"
    normalisation: str = "frame-range"
    recipe: dict[str, Any] = field(default_factory=dict)
    commit: str = ""
    seed: int = 0
    data: tuple[str, ...] = ()
    scores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the engine relies on."""
        if self.normalisation not in NORMALISATIONS:
            raise ConfigError(
                f"weights header: normalisation={self.normalisation!r}, expected one of {NORMALISATIONS}; "
                "the file may come from a newer version of this package"
            )

    def to_json(self) -> str:
        """One JSON object, stable key order."""
        values = asdict(self)
        values["config"] = self.config.to_dict()
        return json.dumps({"format_version": FORMAT_VERSION, **values}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> WeightsHeader:
        """Parse and check a header.

        Raises:
            ConfigError: not JSON, another format version, a bad configuration; unknown and missing keys and values of
                the wrong type are listed at once.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"weights header is not JSON ({error})") from error
        if not isinstance(values, Mapping):
            raise ConfigError(f"weights header is a JSON {type(values).__name__}, expected an object")
        values = dict(values)
        version = values.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise ConfigError(f"weights format version {version!r}, expected {FORMAT_VERSION}; export the file again")
        problems = [f"no {key}" for key in ("name", "config") if key not in values]
        for key, value in values.items():
            if key not in _JSON_TYPES:
                problems.append(f"unknown key {key!r}, {did_you_mean(key, _JSON_TYPES, 'there is none like it')}")
            elif not _fits(key, value):
                problems.append(f"{key}={value!r:.80}, expected {_JSON_NAMES[_JSON_TYPES[key]]}")
        if problems:
            raise ConfigError("weights header: " + "; ".join(problems))
        values["config"] = ModelConfig.from_dict(values["config"])
        values["data"] = tuple(values.get("data", ()))
        return cls(**values)


def _fits(key: str, value: Any) -> bool:
    if key == "data":
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    return type(value) is _JSON_TYPES[key]


def read_header(path: str | os.PathLike[str]) -> WeightsHeader:
    """Read a weights file's header without its tensors.

    Raises:
        WeightsError: missing, unreadable, or not one of ours.
    """
    path = checked_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); {_MEND}") from error
    if HEADER_KEY not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file without a {HEADER_KEY!r} header, so not a PAG-Net of this package; {_MEND}"
        )
    try:
        return WeightsHeader.from_json(metadata[HEADER_KEY])
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}; {_MEND}") from error


def build_network(config: ModelConfig) -> PagNet | SurfaceNetwork:
    """The untrained network of a configuration."""
    return SurfaceNetwork(config) if config.output == "surfaces" else PagNet(config)


def load_weights(path: str | os.PathLike[str]) -> tuple[PagNet | SurfaceNetwork, WeightsHeader]:
    """Load a network, in float32, evaluation mode, on the CPU.

    Raises:
        WeightsError: missing, unreadable, not one of ours, or tensors that do not fit its configuration; every
            missing, unexpected and mis-shaped tensor is listed at once.
    """
    path = checked_file(path)
    header = read_header(path)
    with torch.device("meta"):  # shapes only: a header must not make us allocate more than its file holds
        expected = {name: tuple(tensor.shape) for name, tensor in build_network(header.config).state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            problems = [f"missing {name}" for name in sorted(expected.keys() - names)]
            problems += [f"unexpected {name}" for name in sorted(names - expected.keys())]
            for name in sorted(expected.keys() & names):
                stored = file.get_slice(name)
                shape = tuple(stored.get_shape())
                if stored.get_dtype() not in _FLOATS:
                    problems.append(f"{name} is {stored.get_dtype()}, expected a float: {', '.join(_FLOATS)}")
                elif shape != expected[name]:
                    problems.append(f"{name} is {list(shape)}, expected {list(expected[name])}")
            if problems:
                shown = "; ".join(problems[:12]) + (f"; and {len(problems) - 12} more" if len(problems) > 12 else "")
                raise WeightsError(f"{path}: tensors do not fit the configuration in its header: {shown}; {_MEND}")
            tensors = {name: file.get_tensor(name).to(torch.float32) for name in expected}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged ({error}); {_MEND}") from error
    _check_finite(path, tensors, _MEND)
    model = build_network(header.config)
    model.load_state_dict(tensors)
    return model.eval(), header


def load_depth_weights(path: str | os.PathLike[str]) -> tuple[PagNet, WeightsHeader]:
    """As `load_weights`, a network that regresses depth, as the paper's does.

    Raises:
        WeightsError: as of `load_weights`, or the file holds a network that chooses surfaces.
    """
    network, header = load_weights(path)
    if not isinstance(network, PagNet):
        raise WeightsError(f"{path}: {header.name} chooses surfaces; expected a network that regresses depth here")
    return network, header


def save_weights(
    path: str | os.PathLike[str],
    model: PagNet | SurfaceNetwork,
    header: WeightsHeader,
    *,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a network and its header atomically: a reader sees the old file or the new one, never half of one.

    Raises:
        WeightsError: header and network disagree, a weight is not finite in `dtype`, or the file cannot be written.
    """
    path = Path(path)
    if model.config != header.config:
        raise WeightsError(f"{path}: header says {header.config}, the network is {model.config}; save them together")
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    _check_finite(path, tensors, f"the training diverged, or the weights do not fit {dtype}")
    try:
        with replaced(path) as temporary:
            save_file(tensors, temporary, metadata={HEADER_KEY: header.to_json()})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be written ({error}); check the folder and free space") from error


_MEND = "give the name of a shipped network (pagnet_ros.zoo()) or a file exported by pagnet_training.export"


def checked_file(path: str | os.PathLike[str], expected: str = "a weights file", mend: str = _MEND) -> Path:
    """A file of at most `MAX_FILE_BYTES` that is there; `expected` and `mend` are for the message.

    Raises:
        WeightsError: missing, no file, unreadable, or larger.
    """
    checked = Path(path)
    try:
        if not checked.is_file():
            came = "a folder" if checked.is_dir() else "missing"
            raise WeightsError(f"{checked} is {came}, expected {expected}; {mend}")
        size = checked.stat().st_size
    except OSError as error:
        raise WeightsError(f"{checked} cannot be read ({error.strerror}), expected {expected}; {mend}") from error
    if size > MAX_FILE_BYTES:
        raise WeightsError(f"{checked} has {size} bytes, expected at most {MAX_FILE_BYTES}; {mend}")
    return checked


def _check_finite(path: Path, tensors: Mapping[str, torch.Tensor], mend: str) -> None:
    broken = sorted(name for name, tensor in tensors.items() if not torch.isfinite(tensor).all())
    if broken:
        raise WeightsError(f"{path}: not finite: {', '.join(broken[:12])}; {mend}")
