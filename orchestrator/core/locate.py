"""Fault to Problem: looks up the line and column of each key path in the text of a definition.

The readers of definitions keep no positions, so a text is read once more, by `orchestrator.core.locate_toml` or
`orchestrator.core.locate_json`; which of the places found is the fault's is chosen here. Floor: core.
"""

from collections.abc import Iterable

from orchestrator.core.reject import MOST_FOUND
from orchestrator.core.spots import Spot
from orchestrator.core.suggest import complete_hint
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import At, Fault, Problem, dotted
from orchestrator.model.source import Form, NixPlace, Source, form_of

MOST_TOLD = 100
"""Problems of one file that are told; a person mends the first ones first."""

LONGEST_KEY = 300
"""Characters of a key that are shown; the rest is cut off."""

_TOP = Place(1, 1)


def locate_faults(
    file: str, text: str | None, faults: Iterable[Fault], *, form: Form | None = None
) -> tuple[Problem, ...]:
    """Each fault as a problem of ``file``, sorted by place: the first `MOST_TOLD`, and one that counts the others.
    Of more than `MOST_FOUND` the first ones found are looked at.

    A path that is not in the text (a missing key, or an item of nothing) has the place of what is nearest above it.
    Without text a fault without a place of its own stands at 1:1, and with text whose syntax is wrong.

    form: how the text is written; by default as the file's name says.
    """
    form = form or form_of(file)
    all_faults = tuple(faults)
    faults = all_faults[:MOST_FOUND]
    sought = [fault.path for fault in faults if fault.place is None and fault.path]
    spots = _find_spots(form, text, sought) if text is not None and sought else {}
    placed = [(fault.place or _choose_place(fault, spots), fault) for fault in faults]
    placed.sort(key=lambda each: (each[0].line, each[0].column))
    problems = [
        Problem(file, place.line, place.column, dotted(_cut(fault.path)), fault.message, complete_hint(fault, form))
        for place, fault in placed[:MOST_TOLD]
    ]
    problems.sort()
    if len(placed) > MOST_TOLD:
        count = len(all_faults) - MOST_TOLD
        shown = f"at least {count}" if len(all_faults) >= MOST_FOUND else str(count)
        message = f"{shown} more problem{'' if count == 1 else 's'} from here on: only the first {MOST_TOLD} are told"
        # At the place of the first that is not told, so that it stays the last.
        place = placed[MOST_TOLD][0]
        problems.append(Problem(file, place.line, place.column, "", message))
    return tuple(problems)


def locate_in_source(source: Source, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """Each fault as a problem of a source, as `locate_faults` has it; of a Nix expression at the places that Nix knows,
    in whichever file these are."""
    if source.built is None:
        return locate_faults(source.file, source.text, faults, form=source.form)
    places = source.built.places or {}
    top = NixPlace(source.file, _TOP)
    problems = []
    for fault in tuple(faults)[:MOST_TOLD]:
        known = (places.get(fault.path[:length]) for length in range(len(fault.path), 0, -1))
        found = next((each for each in known if each is not None), top)
        line, column, hint = found.place.line, found.place.column, complete_hint(fault, Form.NIX)
        problems.append(Problem(found.file, line, column, dotted(_cut(fault.path)), fault.message, hint))
    return tuple(sorted(problems))


def _cut(path: KeyPath) -> KeyPath:
    """The path as it is shown: a key may be as long as a file, and have a hundred problems below it."""
    return tuple(
        f"{key[: LONGEST_KEY - 1]}…" if isinstance(key, str) and len(key) > LONGEST_KEY else key for key in path
    )


def _choose_place(fault: Fault, spots: dict[KeyPath, Spot]) -> Place:
    spot = spots.get(fault.path)
    if spot is not None:
        return spot.key if fault.at is At.KEY else spot.value
    above = (spots.get(fault.path[:length]) for length in range(len(fault.path) - 1, 0, -1))
    return next((spot.value for spot in above if spot is not None), _TOP)


def _find_spots(form: Form, text: str, sought: Iterable[KeyPath]) -> dict[KeyPath, Spot]:
    match form:
        case Form.TOML:
            from orchestrator.core.locate_toml import find_spots
        case Form.JSON | Form.NIX:
            from orchestrator.core.locate_json import find_spots
    return find_spots(text, sought)
