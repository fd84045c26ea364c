"""What is to be done about one name: the result of a plan. Floor: model."""

from attrs import frozen

from orchestrator.model.bundle import Bundle
from orchestrator.model.definition import Resources
from orchestrator.model.problem import Problem
from orchestrator.model.spec import Policy


@frozen
class Target:
    """What a name is to be: bundle, live resources and the agent's own policy."""

    bundle: Bundle
    resources: Resources
    policy: Policy


@frozen
class Broken:
    """A name whose definition has problems: what runs goes on, nothing is started."""

    problems: tuple[Problem, ...]


@frozen
class Start:
    """Nothing of that name is wanted yet: begin to supervise it."""

    target: Target


@frozen
class Keep:
    """Nothing to do."""


@frozen
class Retune:
    """Only the agent's own settings differ."""

    target: Target


@frozen
class Update:
    """What a runtime changes live differs (the policy may too)."""

    target: Target


@frozen
class Replace:
    """A new bundle: the old instance is stopped, a new one started."""

    target: Target


@frozen
class Stop:
    """The name is no longer wanted."""


Action = Start | Keep | Retune | Update | Replace | Stop
