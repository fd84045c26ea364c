"""What people are told of a container by its name: a life and its instance, as the name's state file has them.

Floor: core.
"""

import hashlib

from orchestrator.core.health import NOT_READY
from orchestrator.model.action import Target
from orchestrator.model.bundle import LogTarget
from orchestrator.model.health import HealthReport
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit, Source
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, NameState, PublicState, Standing
from orchestrator.model.store import StoreLink

PUT_OFF = "cannot replace: "
CANNOT_UPDATE = "cannot update: "
ROLLED_BACK = "rolled back: "
"""How the message begins of what goes on as it was, since the instance that is to follow it cannot be made yet."""
CANNOT_ROLL_BACK = "cannot be rolled back: what was ready before is not known any more"
BESIDE = "; "
"""What stands between that and why it waits."""


def describe_name(
    name: str,
    life: Life,
    policy: Policy | None,
    instance: InstanceState | None,
    target: Target | None,
    before: NameState | None,
    *,
    problems: tuple[Problem, ...],
    refusal: str,
    held: bool,
    building: str,
    standing: Standing | None,
    health: HealthReport,
    waits_for: tuple[str, ...],
    order: str,
    log: str | None,
    now: float,
    wall_clock: float,
) -> NameState:
    """The state of a name.

    target: what the instance was made from, or the next one would be. before: what was written last, whose times stand
    as long as the state is the same. building: how far a build of its definition is, or empty. refusal: why an edit
    has not taken effect though it is valid, or empty. held: an operator has stopped it. standing: what a next agent
    goes on from. health: of the instance.
    waits_for: the names that its start waits for. order: why others keep it as it is, or empty.
    log: where its log file would be. now: the monotonic clock that ``life`` goes by.
    wall_clock: epoch seconds.
    """
    word = public_state(life, has_problems=bool(problems), held=held)
    if building and word in (PublicState.IDLE, PublicState.INVALID):
        word = PublicState.BUILDING
    same = before is not None and before.state is word
    retry_at = None
    if life.phase is Phase.BACKOFF and life.deadline is not None:
        retry_at = before.next_retry_at if same and before is not None else wall_clock + life.deadline - now
    lives = instance is not None and instance.exit is None
    log_target = _find_log_target(instance, target)
    return NameState(
        name=name,
        state=word,
        since=before.since if same and before is not None else wall_clock,
        ready=is_ready(life, policy),
        instance=instance.instance if instance else None,
        bundle=instance.bundle if instance else None,
        pid=instance.pid if instance and lives else None,
        pid_start_time=instance.pid_start_time if instance and lives else None,
        started_at=instance.started_at if instance else None,
        restarts=life.restarts,
        failures=life.failures,
        next_retry_at=retry_at,
        last_exit=life.last_exit,
        message=_join(refusal, life.trouble or order or building) or _explain_health(life, health) or life.message,
        problems=problems,
        log=log if log_target is LogTarget.FILE else None,
        log_target=log_target,
        held=held,
        edit=_find_edit(target, before),
        fields=dict(target.fields) if target is not None else {},
        cgroups_path=instance.cgroups_path if instance and lives else None,
        waits_for=waits_for,
        healthy=health.healthy if lives else None,
        status_text=health.status_text if lives else "",
        store_links=_find_links(target, before),
        standing=standing,
    )


def _join(*reasons: str) -> str:
    return BESIDE.join(filter(None, reasons))


def _explain_health(life: Life, health: HealthReport) -> str:
    """Why what runs is not ready or not well. What is taken for ready has not said so, which is no trouble any more."""
    known_better = life.ready_since is not None and health.message.startswith(NOT_READY)
    return health.message if life.phase is Phase.RUNNING and not known_better else ""


def _find_links(target: Target | None, before: NameState | None) -> tuple[StoreLink, ...]:
    """Of what an earlier agent was told only the digest is known, and what was written down then."""
    if target is None:
        return ()
    if target.bundle.store is not None:
        return target.bundle.store.links
    return before.store_links if before is not None and before.bundle == target.bundle.digest else ()


def _find_log_target(instance: InstanceState | None, target: Target | None) -> LogTarget:
    if instance is not None:
        return instance.log_target
    return target.bundle.log if target is not None else LogTarget.FILE


def _find_edit(target: Target | None, before: NameState | None) -> Edit | None:
    """The edit that is live. What a state file recalls of an earlier agent's target has no text any more."""
    if target is None:
        return None
    if target.source is not None:
        return _edit_of(target.source)
    return before.edit if before is not None else None


def _edit_of(source: Source) -> Edit:
    text = (source.text or "").encode("utf-8", "surrogatepass")
    return Edit(
        file=source.file,
        modified_at=source.modified_at,
        digest=hashlib.sha256(text).hexdigest(),
        generation=source.generation,
    )


def public_state(life: Life, *, has_problems: bool, held: bool = False) -> PublicState:
    """The one word that people are told."""
    match life.phase:
        case Phase.IDLE:
            return _resting_state(life, has_problems=has_problems, held=held)
        case Phase.BLOCKED | Phase.WAITING:
            return PublicState.WAITING
        case Phase.BUILDING:
            return PublicState.BUILDING
        case Phase.CREATING | Phase.STARTING:
            return PublicState.STARTING
        case Phase.RUNNING:
            return PublicState.RUNNING
        case Phase.BACKOFF:
            return PublicState.BACKOFF
        case Phase.ABANDONING | Phase.STOPPING | Phase.KILLING | Phase.CLEANING:
            return PublicState.STOPPING


def _resting_state(life: Life, *, has_problems: bool, held: bool) -> PublicState:
    if held and life.outcome is not Outcome.COMPLETED:
        return PublicState.STOPPED
    match life.outcome:
        case Outcome.COMPLETED:
            return PublicState.COMPLETED
        case Outcome.FAILED:
            return PublicState.FAILED
        case Outcome.STOPPED:
            return PublicState.INVALID if has_problems else PublicState.STOPPED
        case Outcome.NONE:
            return PublicState.INVALID if has_problems else PublicState.IDLE


def is_ready(life: Life, policy: Policy | None) -> bool:
    """Readiness, the third field: a service is ready as its `ready` says, a oneshot once it has completed."""
    if policy is not None and policy.oneshot:
        return life.phase is Phase.IDLE and life.outcome is Outcome.COMPLETED
    return life.phase is Phase.RUNNING and life.ready_since is not None
