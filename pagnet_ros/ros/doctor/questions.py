"""Questions to other nodes by service: parameters, and the state of a lifecycle. Nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters

from pagnet_ros.ros.running import spin

__all__ = ["Questions"]

_FIELDS: Final = {
    ParameterType.PARAMETER_BOOL: "bool_value",
    ParameterType.PARAMETER_INTEGER: "integer_value",
    ParameterType.PARAMETER_DOUBLE: "double_value",
    ParameterType.PARAMETER_STRING: "string_value",
    ParameterType.PARAMETER_STRING_ARRAY: "string_array_value",
}


class Questions:
    """Asks by a node that an executor spins."""

    def __init__(self, node: Any, executor: Any, patience_s: float = 2.0) -> None:
        """Create.

        Args:
            node: asks.
            executor: spins it.
            patience_s: how long an answer is waited for, seconds.
        """
        self._node, self._executor, self._patience_s = node, executor, patience_s

    def parameters(self, node: str, names: Sequence[str]) -> dict[str, Any]:
        """Those of a node's parameters that are set; none if it does not answer.

        Each is asked for by itself: a node that does not declare one of several gives none of them.
        """
        values: dict[str, Any] = {}
        for name in names:
            answer = self._ask(GetParameters, f"{node}/get_parameters", GetParameters.Request(names=[name]))
            if answer is None:
                return values
            for value in answer.values:
                if value.type in _FIELDS:
                    values[name] = getattr(value, _FIELDS[value.type])
        return values

    def state(self, node: str) -> str:
        """Name of the state of a node's lifecycle; empty if it does not answer."""
        answer = self._ask(GetState, f"{node}/get_state", GetState.Request())
        return "" if answer is None else str(answer.current_state.label)

    def _ask(self, kind: Any, service: str, request: Any) -> Any:
        client = self._node.create_client(kind, service)
        deadline = time.monotonic() + self._patience_s
        try:
            self._spin(lambda: client.service_is_ready() or time.monotonic() > deadline)
            if not client.service_is_ready():
                return None
            future = client.call_async(request)
            self._spin(lambda: future.done() or time.monotonic() > deadline)
            return future.result() if future.done() else None
        finally:
            self._node.destroy_client(client)

    def _spin(self, until: Callable[[], bool]) -> None:
        spin(self._executor, self._node.get_logger(), until)
