"""A lifecycle node whose transitions say what failed, that can start itself, and that a wrong request does not stop.

What the states hold is the subclass's: `_configure`, `_activate`, `_deactivate`, and `_release`, which gives back
whatever is held in any state.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from pagnet_ros.errors import PagnetError

_RETRY_S: Final = 5.0


class ManagedNode(LifecycleNode):
    """The states of a node, without what lives in them.

    Attributes:
        state: The lifecycle's: "unconfigured", "inactive", "active" or "finalized".
        failure: Why it cannot go on, empty where it can; deactivating then goes on to error processing.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.state, self.failure, self._starts_itself = "unconfigured", "", False
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._autostart_timer: Any = None
        self._failed = self.create_guard_condition(self._leave_after_failure)
        self._refuse_impossible_transitions()

    def _configure(self) -> None:
        """Make ready to work."""

    def _activate(self) -> None:
        """Begin to work."""

    def _deactivate(self) -> None:
        """Stop working, also after an activation that failed halfway."""

    def _release(self) -> None:
        """Give back whatever is held, in any state."""

    def _entered(self) -> str:
        """Called after a transition; what is said of the new state."""
        return ""

    def _failing(self) -> None:
        """Called before the node leaves the active state because it failed."""

    def start_by_itself(self, delay_s: float = 0.01) -> None:
        """Configure and activate soon; on a failure try again later, as a camera or file may come."""
        self._starts_itself = True
        self._autostart_timer = self.create_timer(delay_s, self._start, clock=self._steady)

    def fail(self, reason: str) -> None:
        """Leave the active state through error processing; may be called from any thread."""
        self.failure = reason
        self._failed.trigger()

    # Transitions: rclpy swallows what they raise, so each is guarded and says what failed.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make ready; a failure says why and leaves the node unconfigured."""
        return self._transition("configure", self._configure, "inactive", undo=self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work."""

        def act() -> None:
            self._activate()
            super(ManagedNode, self).on_activate(state)

        return self._transition("activate", act, "active", undo=self._deactivate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; after a failure on to `on_error`."""

        def act() -> None:
            self._deactivate()
            super(ManagedNode, self).on_deactivate(state)

        result = self._transition("deactivate", act, "inactive")
        return TransitionCallbackReturn.ERROR if self.failure else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back what configuring took."""
        return self._transition("cleanup", self._release, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything, from any state."""
        return self._transition("shutdown", self._release, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything, and be ready to be configured again."""
        return self._transition("error processing", self._release, "unconfigured")

    def destroy_node(self) -> None:
        """Give back everything first; leave DDS last.

        rclpy 7.1 keeps the state machine of a destroyed node, and with it the node's participant.
        """
        self._release()
        super().destroy_node()
        if hasattr(self, "_state_machine"):
            del self._state_machine

    def _transition(
        self, name: str, act: Callable[[], None], state: str, undo: Callable[[], None] | None = None
    ) -> TransitionCallbackReturn:
        try:
            act()
        except Exception as error:
            text = str(error) if isinstance(error, PagnetError) else traceback.format_exc()
            if self.context.ok():  # else ROS was shut down meanwhile, and that is what failed
                self.get_logger().error(f"cannot {name}: {text}")
            if undo is not None:
                undo()
            return TransitionCallbackReturn.FAILURE
        self.state = state
        said = self._entered()
        self.get_logger().info(f"{state}: {said}" if said else state)
        return TransitionCallbackReturn.SUCCESS

    def _refuse_impossible_transitions(self) -> None:
        """Answer a lifecycle request out of sequence with "no success"; rclpy raises on it, and never answers."""
        service = next(service for service in self.services if service.srv_type is ChangeState)
        change_state = service.callback

        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except Exception as error:
                self.get_logger().warn(
                    f"lifecycle request {request.transition.label or request.transition.id} refused in state "
                    f"{self.state}; expected a transition that starts there ({error})"
                )
                response.success = False
                return response

        service.callback = answer

    def _leave_after_failure(self) -> None:
        if self.state != "active":
            return
        self.get_logger().error(f"the device failed and the node goes to unconfigured: {self.failure}")
        self._failing()
        self.trigger_deactivate()
        if self._starts_itself:
            self.start_by_itself(_RETRY_S)

    def _start(self) -> None:
        self.destroy_timer(self._autostart_timer)
        self._autostart_timer = None
        if self.state == "unconfigured":
            self.trigger_configure()
        if self.state == "inactive":
            self.trigger_activate()
        if self.state in ("unconfigured", "inactive"):
            self.get_logger().info(f"autostart: trying again in {_RETRY_S:g} s")
            self.start_by_itself(_RETRY_S)
