"""Lives and policies for the tests of the lifecycle, and what drives a life through events."""

from typing import Any

from attrs import evolve

from orchestrator.core.lifecycle import Effect, Event, Happening, step
from orchestrator.model.life import Exit, Life, Phase
from orchestrator.model.policy import OnExit, Ready, Restart, Stop
from orchestrator.model.spec import Policy
from orchestrator.model.types import Duration

SERVICE = Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART, jitter=0.0), stop=Stop())
ONESHOT = Policy(oneshot=True, restart=Restart(on_success=OnExit.STOP, jitter=0.0), stop=Stop())
NOTIFIES = evolve(SERVICE, ready=Ready.NOTIFY, start_timeout=30.0)
FAILURE = Exit(code=3, at=0.0)
SUCCESS = Exit(code=0, at=0.0)
START = (Event.GO, Event.UNBLOCKED, Event.ADMITTED, Event.BUILT, Event.CREATED, Event.STARTED)


def drive(
    *events: Event | Happening, life: Life | None = None, policy: Policy = SERVICE, now: float = 0.0
) -> tuple[Life, list[Effect]]:
    """The life after some events, by default a new one's, and the effects of all of them."""
    life = life or Life()
    effects: list[Effect] = []
    for event in events:
        happening = event if isinstance(event, Happening) else Happening(event=event)
        life, more = step(life, happening, policy, now=now, chance=0.5)
        effects.extend(more)
    return life, effects


def exited(ended: Exit) -> Happening:
    """The application has ended so."""
    return Happening(event=Event.EXITED, exit=ended)


def limited(restarts: int | None, window: float = 60.0, **restart: Any) -> Policy:  # noqa: ANN401 - fields of Restart
    """Restarts at once, but so often only."""
    changes = {"max_restarts": restarts, "window": Duration(window), "delay": Duration(0.0), **restart}
    return evolve(SERVICE, restart=evolve(SERVICE.restart, **changes))


def fail_on(life: Life, policy: Policy, *, at: float, ended: Exit = FAILURE) -> Life:
    """From a start or a wait through a run to what its end leads to, all at one time."""
    begin = Event.GO if life.phase is Phase.IDLE else Event.DEADLINE
    return drive(begin, *START[1:], exited(ended), Event.CLEANED, life=life, policy=policy, now=at)[0]
