"""What is to be done about every name: desired against observed, a pure function. Floor: core."""

from collections.abc import Collection, Mapping

from attrs import frozen

from orchestrator.model.action import Action, Broken, Hold, Keep, Renew, Replace, Retune, Start, Stop, Target, Update


@frozen
class Observed:
    """What a name was last told: what it is to be, and whether an operator has stopped it."""

    target: Target
    held: bool = False


def plan_actions(
    desired: Mapping[str, Target | Broken], observed: Mapping[str, Observed], held: Collection[str] = ()
) -> dict[str, Action]:
    """Exactly one action for every name of either side.

    desired: what the directory says, by name. observed: what each name was last told; a name that is not wanted is
    absent. held: the names that an operator has stopped. A broken definition keeps what there is.
    """
    names = sorted({*desired, *observed})
    return {name: _plan_one(desired.get(name), observed.get(name), name in held) for name in names}


def _plan_one(want: Target | Broken | None, seen: Observed | None, held: bool) -> Action:
    if want is None:
        return Stop()
    if held:
        return _plan_held(want, seen)
    if isinstance(want, Broken):
        return _plan_broken(want.instead, seen)
    if seen is None or seen.held:
        return Start(want)
    return _plan_running(want, seen.target)


def _plan_held(want: Target | Broken, seen: Observed | None) -> Action:
    """What is not to run is told so once, and whenever what it would be is another."""
    if isinstance(want, Broken):
        if want.instead is None:
            return Keep() if seen is None or seen.held else Hold(seen.target)
        want = want.instead
    return Keep(want) if seen is not None and seen.held and seen.target == want else Hold(want)


def _plan_broken(instead: Target | None, seen: Observed | None) -> Action:
    """What runs goes on, whatever it was made from; what does not is started as its last good definition says."""
    if instead is None:
        return Keep()
    if seen is None or seen.held:
        return Start(instead)
    return Keep(instead) if seen.target == instead else Keep(instead=instead)


def _plan_running(want: Target, have: Target) -> Action:
    if not have.bundle.digest:
        return Retune(want)  # nobody knows what it was made from: no reason to end it
    if want.bundle != have.bundle:
        return Replace(want)
    if want.resources != have.resources:
        return Update(want)
    if want.policy != have.policy or have.live not in (None, want.live):
        return Retune(want)
    return Keep(want)


def follow(action: Action, target: Target | None, held: bool) -> tuple[Target | None, bool]:
    """What a name is to be once it was told an action, and whether it is held. target, held: the same before."""
    match action:
        case Hold(new):
            return new, True
        case Stop():
            return None, False
        case Keep(new):
            # What is wanted is the same; its text and its problems may differ.
            return new or target, held
        case Start(new) | Renew(new) | Replace(new) | Update(new) | Retune(new):
            return new, False
