"""What a plan would do, told name by name with the reasons: to programs by `Planned`, to people in lines.

What is to be done is decided by `orchestrator.core.plan`. Where no agent is there to say what it was told, what stands
in the state files takes its place. Floor: core.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from orchestrator.core.changes import diff_fields, diff_live, explain_bundle, explain_change, show_change
from orchestrator.core.encode import to_plain
from orchestrator.core.fields import classify, classify_path
from orchestrator.core.plan import Observed, plan_actions
from orchestrator.model.action import (
    Action,
    Broken,
    FieldChange,
    Hold,
    Keep,
    Planned,
    Renew,
    Replace,
    Retune,
    Start,
    Stop,
    Target,
    Update,
    Verb,
)
from orchestrator.model.contribution import LiveFile
from orchestrator.model.option import Change
from orchestrator.model.registry import Registry
from orchestrator.model.resources import Resources
from orchestrator.model.state import NameState, PublicState

_VERBS: Mapping[type[Any], Verb] = {
    Keep: Verb.NOTHING,
    Hold: Verb.NOTHING,
    Retune: Verb.RETUNE,
    Update: Verb.UPDATE,
    Replace: Verb.REPLACE,
    Renew: Verb.REPLACE,
    Start: Verb.START,
    Stop: Verb.STOP,
}
_VERBS_OF_CLASSES: Mapping[Change | None, Verb] = {
    None: Verb.NOTHING,
    Change.RETUNE: Verb.RETUNE,
    Change.UPDATE: Verb.UPDATE,
    Change.REPLACE: Verb.REPLACE,
}


def verb_of(action: Action) -> Verb:
    """An action in one word. What is held back by an operator is not done."""
    return _VERBS[type(action)]


def describe_plan(
    desired: Mapping[str, Target | Broken], observed: Mapping[str, Observed], held: Collection[str] = ()
) -> tuple[Planned, ...]:
    """What `plan_actions` says of every name, and why; sorted by name."""
    actions = plan_actions(desired, observed, held)
    planned = []
    for name, action in sorted(actions.items()):
        want, seen = desired.get(name), observed.get(name)
        fields: tuple[FieldChange, ...] = ()
        if isinstance(action, Retune | Update | Replace | Hold) and seen is not None:
            fields = explain_change(seen.target, action.target)
        stops = isinstance(action, Hold) and seen is not None and not seen.held
        planned.append(
            Planned(
                name=name,
                verb=Verb.STOP if stops else verb_of(action),
                fields=fields,
                problems=want.problems if isinstance(want, Broken) else (),
                held=want is not None and name in held,
            )
        )
    return tuple(planned)


@frozen(kw_only=True)
class Recorded:
    """What the state files hold of one name whose container runs, or that an agent looks after."""

    fields: Mapping[str, Any]
    bundle: str | None = None
    """The digest of what its instance was made from, if it has one."""
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    """The stored config.json of that bundle, if it is there."""
    resources: Resources | None = None
    """What was applied to its instance last."""
    live: tuple[LiveFile, ...] | None = None
    """What the files of its instance say that follow the host; None where there is no instance."""


def select_recorded(
    states: Iterable[NameState], living: Collection[str], *, agent_alive: bool, boot: str
) -> dict[str, NameState]:
    """The names that there is something of, by the state files. Without an agent that is what runs, and what came to
    rest in this boot: all else would be started by the next one. boot: the id of this boot."""

    def rests(state: NameState) -> bool:
        is_done = state.state in (PublicState.COMPLETED, PublicState.FAILED)
        return is_done and state.standing is not None and state.standing.boot == boot

    return {
        state.name: state
        for state in states
        if state.name in living
        or rests(state)
        or (agent_alive and (state.edit is not None or state.bundle is not None))
    }


def compare_recorded(
    desired: Mapping[str, Target | Broken], recorded: Mapping[str, Recorded], held: Collection[str] = ()
) -> tuple[Planned, ...]:
    """`describe_plan` by the state files; sorted by name. The agent's own settings are in them as fields only."""
    return tuple(
        _compare_one(name, desired.get(name), recorded.get(name), name in held)
        for name in sorted({*desired, *recorded})
    )


def _compare_one(name: str, want: Target | Broken | None, have: Recorded | None, held: bool) -> Planned:
    if want is None:
        return Planned(name=name, verb=Verb.STOP)
    if isinstance(want, Broken):
        starts = have is None and want.instead is not None and not held
        return Planned(name=name, verb=Verb.START if starts else Verb.NOTHING, problems=want.problems, held=held)
    if have is None:
        return Planned(name=name, verb=Verb.NOTHING if held else Verb.START, held=held)
    fields = diff_fields(have.fields, want.fields)
    verb = _judge(fields, want, have)
    if verb is Verb.REPLACE and have.bundle is not None and classify(fields) is not Change.REPLACE:
        fields += explain_bundle(have.bundle, have.config, want.bundle)
    if have.bundle == want.bundle.digest and have.live is not None:
        fields += diff_live(have.live, want.live or ())
    if verb is Verb.NOTHING or held:
        return Planned(name=name, verb=Verb.NOTHING, fields=fields if held else (), held=held)
    return Planned(name=name, verb=verb, fields=fields)


def _judge(fields: tuple[FieldChange, ...], want: Target, have: Recorded) -> Verb:
    """By the bundle and the limits where they are known: fields say what may have to be done, and not that it has."""
    if have.bundle is None:
        return _VERBS_OF_CLASSES[classify(fields)]
    if have.bundle != want.bundle.digest:
        return Verb.REPLACE
    if have.resources is not None and have.resources != want.resources:
        return Verb.UPDATE
    if have.live not in (None, want.live):
        return Verb.RETUNE
    # The bundle being the same, a field that may replace did not.
    classes = {classify_path(change.path, Registry()) for change in fields}
    return Verb.RETUNE if classes & {Change.RETUNE, Change.BY_VALUE} else Verb.NOTHING


def planned_to_json(planned: Planned) -> dict[str, Any]:
    """``plan --json``'s shape of one name: ``{name, verb, held, fields, problems}``; a field is ``{path, old, new}``
    with null for the default, a problem ``{file, line, column, path, message, hint}``."""
    return {
        "name": planned.name,
        "verb": planned.verb.value,
        "held": planned.held,
        "fields": to_plain(planned.fields),
        "problems": to_plain(planned.problems),
    }


def describe_planned(planned: Planned) -> tuple[str, ...]:
    """A line that tells people of one name, and one for each field; none where there is nothing to tell. Problems
    tell of themselves."""
    if planned.held:
        what = "stop" if planned.verb is Verb.STOP else "nothing"
        head = f"{planned.name}: {what}: an operator has stopped it"
        head += ", and its definition has changed" if planned.fields else ""
    elif planned.verb is not Verb.NOTHING:
        head = f"{planned.name}: {planned.verb.value}"
        head += " by its last good definition" if planned.problems else ""
    else:
        return ()
    return (head, *(show_change(change) for change in planned.fields))


def count_planned(planned: Iterable[Planned]) -> str:
    """The last line of a plan: ``1 to replace, 2 to start, 40 unchanged, 1 held, 1 with problems``."""
    counts = dict.fromkeys(Verb, 0)
    held = broken = 0
    for each in planned:
        if each.verb is not Verb.NOTHING:
            counts[each.verb] += 1
        elif each.problems:
            broken += 1
        elif each.held:
            held += 1
        else:
            counts[Verb.NOTHING] += 1
    parts = [f"{count} to {verb.value}" for verb, count in counts.items() if count and verb is not Verb.NOTHING]
    others = ((counts[Verb.NOTHING], "unchanged"), (held, "held"), (broken, "with problems"))
    parts += [f"{count} {word}" for count, word in others if count]
    return ", ".join(parts) or "no definitions"
