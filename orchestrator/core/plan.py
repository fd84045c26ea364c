"""What is to be done about every name: desired against observed, a pure function. Floor: core."""

from collections.abc import Mapping

from orchestrator.model.action import Action, Broken, Keep, Replace, Retune, Start, Stop, Target, Update


def plan_actions(desired: Mapping[str, Target | Broken], observed: Mapping[str, Target]) -> dict[str, Action]:
    """Exactly one action for every name of either side.

    desired: what the directory says, by name. observed: what each name was last told to be; a name that is not to run
    is absent. A broken definition keeps what there is.
    """
    return {name: _plan_one(desired.get(name), observed.get(name)) for name in sorted({*desired, *observed})}


def _plan_one(want: Target | Broken | None, have: Target | None) -> Action:
    if isinstance(want, Broken):
        return Keep()
    if want is None:
        return Stop()
    if have is None:
        return Start(want)
    if want.bundle != have.bundle:
        return Replace(want)
    if want.resources != have.resources:
        return Update(want)
    if want.policy != have.policy:
        return Retune(want)
    return Keep()
