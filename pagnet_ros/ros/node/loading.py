"""From the node's parameters to a working up-sampler.

The parameter `weights` gets its meaning here, left at its default with a sensor too, and a bad choice fails here, with
a reason, instead of at the first frame. There is no silent fall-back to bicubic: it has to be asked for. No ROS import.
"""

from __future__ import annotations

from typing import Any, Final

from pagnet_ros.model.zoo import DEFAULT_WEIGHTS, current_name, family_of, zoo
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sensor_limits import SensorLimits, sensor_limits

_WARM_UP_DEPTH: Final = (48, 64)
_WARM_UP_COLOR: Final = (192, 256)


def load_upsampler(parameters: NodeParameters) -> DepthUpsampler:
    """The up-sampler that `weights`, `sensor`, `device` and `precision` ask for, run once, with default options.

    Raises:
        ConfigError: No such sensor.
        WeightsError: Weights missing, unreadable or foreign.
        DeviceError: Device or precision not available.
    """
    weights, _ = choose_weights(parameters, sensor_limits(parameters.sensor))
    where: dict[str, Any] = {"device": parameters.device, "precision": parameters.precision}
    upsampler = DepthUpsampler.from_weights(weights, **where)
    upsampler.warm_up(*(upsampler.fixed_sizes or (_WARM_UP_DEPTH, _WARM_UP_COLOR)))
    return upsampler


def choose_weights(parameters: NodeParameters, sensor: SensorLimits) -> tuple[str, str]:
    """What `weights` stands for, and what is worth saying about it.

    Returns:
        The parameter where it is set; else the network, or family of networks, that was trained for the sensor; else
        the one for any sensor. And a note, empty where the choice needs none.
    """
    asked = sensor.weights if parameters.weights == "auto" else parameters.weights
    current = current_name(asked)
    if current != asked:
        return current, f"weights {asked} are no longer shipped; taking {current}, which replaced them: name that"
    if parameters.weights != "auto":
        return parameters.weights, ""
    if not sensor.weights:
        return DEFAULT_WEIGHTS, ""
    if sensor.weights.endswith((".safetensors", ".onnx")):
        return sensor.weights, ""
    shipped = {name for full in zoo() for name in (full, family_of(full))}
    if sensor.weights in shipped:
        return sensor.weights, f"weights {sensor.weights}, trained for the sensor {parameters.sensor}"
    return DEFAULT_WEIGHTS, (
        f"no weights {sensor.weights} for the sensor {parameters.sensor} are shipped; taking {DEFAULT_WEIGHTS}, "
        "trained for any sensor. Set weights to choose another network"
    )
