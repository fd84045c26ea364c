"""What a supervision is told, beside the happenings of its life. Floor: tasks."""

from typing import TYPE_CHECKING

from attrs import frozen

from orchestrator.core.lifecycle import Happening
from orchestrator.model.action import Action, Target
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources

if TYPE_CHECKING:
    from orchestrator.tasks.watched import Watched


@frozen
class Told:
    """A message from outside: an action of a plan, with the problems that the definition has now."""

    action: Action
    problems: tuple[Problem, ...]


@frozen
class Updated:
    """The answer of a live update of an instance: what it tried, and why it failed or an empty text."""

    instance: str
    resources: Resources
    message: str


@frozen
class Hurry:
    """A message from outside: do not wait for a stop's time to run out."""


@frozen
class InTurn:
    """A message from the order among the names: one's turn is another than it was."""


@frozen
class HealthChanged:
    """A message from who looks after the instance: what people are told of its health is another."""


@frozen
class TryAgain:
    """A message from a clock: a replacement that was put off, or a live update that was refused, may be possible."""


@frozen
class Noted:
    """A message from outside: what is told of it beside what it was told is another."""


@frozen
class WriteAgain:
    """A message from outside: what was written down is gone."""


@frozen
class HandedOver:
    """A message from a hand-over: the new instance is ready to be the name's own."""

    watched: "Watched"
    target: Target


@frozen
class HandOverFailed:
    """A message from a hand-over: the new instance is not, and why."""

    why: str


Message = (
    Happening
    | Told
    | Updated
    | Hurry
    | InTurn
    | HealthChanged
    | TryAgain
    | Noted
    | WriteAgain
    | HandedOver
    | HandOverFailed
)
