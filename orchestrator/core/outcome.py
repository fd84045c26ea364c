"""What the end of an instance means under a policy: a failure or none, another start or rest, and what rest is called.

The events that follow from it are the business of `orchestrator.core.lifecycle`. Floor: core.
"""

from attrs import evolve

from orchestrator.core.backoff import count_failures, is_exhausted
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.policy import OnExit
from orchestrator.model.spec import Policy


def has_succeeded(life: Life) -> bool:
    """Whether the last instance ended well. One that was ended for being unwell did not, whatever it exited with."""
    return life.last_exit is not None and life.last_exit.success and not life.unwell


def is_to_restart(life: Life, policy: Policy) -> bool:
    """Whether the policy has it started again after such an end."""
    by_policy = policy.restart.on_success if has_succeeded(life) else policy.restart.on_failure
    return life.unbuilt or by_policy is OnExit.RESTART


def gives_up(life: Life, policy: Policy) -> bool:
    """Whether it would be started again, but for how often it was."""
    if not life.wanted or life.halted or life.unbuilt or not is_to_restart(life, policy):
        return False
    return is_exhausted(policy.restart, life.restarted_at, life.cleaned_at)


def decide_outcome(life: Life, policy: Policy) -> Outcome:
    """Why a life rests that comes to rest now."""
    if not life.wanted or life.halted:
        return Outcome.STOPPED
    if gives_up(life, policy):
        return Outcome.FAILED
    return Outcome.COMPLETED if has_succeeded(life) else Outcome.FAILED


def count_failure(life: Life, policy: Policy, now: float) -> int:
    """How many failures in a row there are with one that happens now."""
    ready_for = None if life.ready_since is None else now - life.ready_since
    return count_failures(policy.restart, life.failures, ready_for)


def forgive_if_proven(life: Life, policy: Policy, now: float) -> int:
    """How many failures in a row still count when what is ready is so no longer, though it has not failed."""
    proven = life.ready_since is not None and now - life.ready_since >= policy.restart.reset_after
    return 0 if proven else life.failures


def may_start_now(life: Life, policy: Policy, *, updated: bool) -> bool:
    """Whether new settings are a reason to start: it waits for a retry, it gave up and has other resources now
    (``updated``), or it rests and would not under this policy."""
    if life.phase is Phase.BACKOFF:
        return True
    if life.phase is not Phase.IDLE or not life.wanted:
        return False
    gave_up = life.outcome is Outcome.FAILED
    return (updated and gave_up) or (is_to_restart(life, policy) and not gives_up(life, policy))


def retime(life: Life, before: Policy | None, policy: Policy, now: float) -> Life:
    """The life under another policy: what waits to be ready has all of the time that it gives."""
    waits = life.phase is Phase.RUNNING and life.deadline is not None
    if not waits or before is None or before.start_timeout == policy.start_timeout:
        return life
    return evolve(life, deadline=now + policy.start_timeout)
