"""Writes down what people are told of a name, and tells the report. Floor: tasks."""

import math

import trio

from orchestrator.core.adoption import describe_standing
from orchestrator.core.naming import describe_name
from orchestrator.core.order import describe_turn
from orchestrator.model.action import Target
from orchestrator.model.health import HealthReport
from orchestrator.model.life import Life, Phase
from orchestrator.model.problem import Problem
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, NameState
from orchestrator.ports import DiskFailed
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.trial import Trial

LACKS_DEFINITION = "waits for its definition, which cannot be read"
"""What is told of what was left by an earlier agent, has ended since, and can only be made when that is known."""
WRITE_AGAIN_AFTER = 5.0
"""Seconds until a state that could not be written is tried again: a disk that was full may have room by then."""


class NamePublisher:
    """The state file of one name, and the report."""

    def __init__(self, name: str, outside: Outside, before: NameState | None = None) -> None:
        """before: what an earlier agent wrote last."""
        self._name = name
        self._outside = outside
        self._told = before
        self.due = False
        """Something may have changed since `publish`."""
        self.again_at = math.inf
        """When what could not be written is to be tried again, by trio's clock."""

    def publish(
        self,
        life: Life,
        policy: Policy | None,
        instance: InstanceState | None,
        target: Target | None,
        *,
        problems: tuple[Problem, ...],
        refusal: str,
        held: bool,
        building: str,
        told: Target | None,
        trial: Trial,
        health: HealthReport,
    ) -> None:
        """Write the name's state, if it is another than what stands there, and tell the report.

        target: what the instance was made from, or the next one would be. told, trial: what it is to be, and its edits,
        which a next agent goes on from.
        """
        self.due = False
        outside = self._outside
        turn = outside.order.turn(self._name)
        standing = None
        if told is not None and policy is not None:
            clock, boot = outside.clock_shift, outside.boot
            standing = describe_standing(life, policy, told, trial.refusal, trial.comes_back, shift=clock, boot=boot)
        lacks_definition = life.phase is Phase.BLOCKED and not outside.order.waits(self._name)
        state = describe_name(
            self._name,
            life,
            policy,
            instance,
            target,
            self._told,
            problems=problems,
            refusal=refusal or (LACKS_DEFINITION if lacks_definition else ""),
            held=held,
            building=building,
            standing=standing,
            health=health,
            waits_for=tuple(name for name, _ in turn.awaited),
            order=describe_turn(life, turn),
            log=outside.layout.log(self._name) if policy is not None else None,
            now=trio.current_time(),
            wall_clock=outside.wall_clock(),
        )
        if state != self._told or self.again_at < math.inf:
            self._told = state
            self._write(state)
        # Running, it is to be ready by then, or it is to stop after others.
        on_its_way = life.phase is Phase.RUNNING and (life.deadline is not None or bool(turn.behind))
        settled = life.phase in (Phase.RUNNING, Phase.BACKOFF, Phase.IDLE) or life.deadline is not None
        built = not building or held or life.phase is not Phase.IDLE
        at_rest = (settled and not on_its_way) or turn.rests or lacks_definition
        outside.report.changed(
            state,
            settled=at_rest and built,
            ends_by=life.deadline if life.phase is Phase.STOPPING and life.deadline is not None else -math.inf,
        )

    def retire(self) -> None:
        """Remove the name's state: there is nothing to tell of it any more."""
        try:
            self._outside.disk.remove_name(self._name)
        except DiskFailed as error:
            self._outside.report.say(f"{self._name}: {error}")
        self._outside.report.forget(self._name)

    def _write(self, state: NameState) -> None:
        first = self.again_at == math.inf
        try:
            self._outside.disk.write_name(state)
        except DiskFailed as error:
            self.again_at = trio.current_time() + WRITE_AGAIN_AFTER
            if first:
                self._outside.report.say(f"{self._name}: {error}")
        else:
            self.again_at = math.inf
