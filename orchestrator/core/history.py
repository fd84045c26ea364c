"""What people and programs are told of generations: a list of them, and how two of them differ. Floor: core."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.changes import diff_fields, show_change
from orchestrator.core.encode import to_plain
from orchestrator.core.fields import HOST_PREFIX, classify
from orchestrator.core.status import format_time
from orchestrator.model.action import FieldChange
from orchestrator.model.generation import Accepted, Changed, Difference, Generation, Head, How, Listed, NameChange
from orchestrator.model.option import Change

MOST_SHOWN = 3
"""Names that are told of each kind of change; the others are counted."""

UNIMPORTANT = "comments or the order of keys"
"""What differs where no field does."""

_SHOWN_OF_DIGEST = 12

Describe = Callable[[Accepted], Mapping[str, Any] | str]
"""What a definition asks for, as `orchestrator.core.fields.describe_fields` has it; or why that cannot be told."""


def list_heads(heads: Sequence[Head], pinned: int | None) -> tuple[Listed, ...]:
    """The generations with which of them is live: the pinned one, or the newest."""
    newest = max((head.number for head in heads), default=None)
    live = newest if pinned is None else pinned
    return tuple(
        Listed(
            number=head.number,
            at=head.at,
            live=head.number == live,
            pinned=head.number == pinned,
            definitions=head.definitions,
            changed=head.changed,
        )
        for head in heads
    )


def listed_to_json(listed: Listed) -> dict[str, Any]:
    """A generation as ``history --json`` has it: ``{number, at, live, pinned, definitions, changed: {added, removed,
    changed, plugins}}``, the time as `format_time` writes it."""
    data: dict[str, Any] = to_plain(listed)
    return {**data, "at": format_time(listed.at)}


def describe_changed(changed: Changed) -> str:
    """What a generation changed in a few words: ``added api; changed db, web``."""
    parts = (
        ("added", changed.added),
        ("removed", changed.removed),
        ("changed", changed.changed),
        ("plugins", changed.plugins),
    )
    return "; ".join(f"{word} {list_some(names)}" for word, names in parts if names)


def describe_marks(listed: Listed) -> str:
    """``live``, ``live, pinned`` or nothing."""
    return ", ".join(word for word, holds in (("live", listed.live), ("pinned", listed.pinned)) if holds)


def list_some(names: Iterable[str]) -> str:
    """The first of several names, and how many more there are."""
    known = list(names)
    more = len(known) - MOST_SHOWN
    return ", ".join(known[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def diff_generations(old: Generation, new: Generation, describe: Describe) -> Difference:
    """How two generations differ, name by name."""
    names = sorted({*old.definitions, *new.definitions})
    changes = (_diff_name(name, old.definitions.get(name), new.definitions.get(name), describe) for name in names)
    return Difference(
        old=old.head.number,
        new=new.head.number,
        names=tuple(change for change in changes if change is not None),
        plugins=diff_fields(old.head.plugins, new.head.plugins),
    )


def difference_to_json(difference: Difference) -> dict[str, Any]:
    """As ``diff --json`` has it: ``{old, new, names: [{name, how, fields: [{path, old, new}], note}], plugins: [{path,
    old, new}]}``; null stands for the default of a field, or for what is not there."""
    data: dict[str, Any] = to_plain(difference)
    return data


def describe_difference(difference: Difference) -> Iterator[str]:
    """The lines that tell people of it."""
    for each in difference.names:
        yield f"{each.name}: {each.how.value}"
        if each.note:
            yield f"  {each.note}"
        yield from (f"  {show_change(change)}" for change in each.fields)
    for plugin in difference.plugins:
        yield f"plugin {plugin.path}: {plugin.old or 'none'} → {plugin.new or 'none'}"
    if not difference.names and not difference.plugins:
        yield f"generations {difference.old} and {difference.new} do not differ"


def _diff_name(name: str, old: Accepted | None, new: Accepted | None, describe: Describe) -> NameChange | None:
    if old == new:
        return None
    if old is None or new is None:
        return NameChange(name=name, how=How.ADDED if old is None else How.REMOVED)
    before, after = describe(old), describe(new)
    if isinstance(before, str) or isinstance(after, str):
        return NameChange(
            name=name, how=How.CHANGED, note=next(each for each in (before, after) if isinstance(each, str))
        )
    fields = diff_fields(before, after)
    if old.bundle != new.bundle and classify(fields) is not Change.REPLACE:
        fields += (FieldChange(f"{HOST_PREFIX}bundle", old.bundle[:_SHOWN_OF_DIGEST], new.bundle[:_SHOWN_OF_DIGEST]),)
    return NameChange(name=name, how=How.CHANGED, fields=fields, note="" if fields else UNIMPORTANT)
