"""What a generation is made of: the definitions that are followed become one, if it is another than the newest, and
its file's text.

The text is JSON lines: the head, so that a list of generations reads no more, then a definition a line. The texts of
the definitions are kept beside it, each once, by their digests. Telling of generations is left to
`orchestrator.core.history`, files to `orchestrator.system.generations`. Floor: core.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TypeVar

from attrs import evolve

from orchestrator.core.encode import DamagedState, from_plain, to_plain
from orchestrator.model.action import Broken, Target
from orchestrator.model.generation import GENERATION_SCHEMA, Accepted, Changed, Generation, Head, Pin
from orchestrator.model.source import Form, Source

KindT = TypeVar("KindT", Accepted, Head, Pin)


def make_generation(
    desired: Mapping[str, Target | Broken],
    newest: Generation | None,
    plugins: Mapping[str, str],
    *,
    number: int,
    at: float,
) -> Generation | None:
    """The generation that follows ``newest``; None where nothing of it would be another, or there is nothing to go back
    to yet.

    desired: what the directory says, by name; of a broken definition its last good one is taken. plugins: the
    distribution and version of each kind, by ``GROUP/TYPE``.
    """
    before = newest.definitions if newest is not None else {}
    definitions = {}
    for name, want in sorted(desired.items()):
        accepted = _accept(name, want, before.get(name), number)
        if accepted is not None:
            definitions[name] = accepted
    changed = Changed(
        added=tuple(sorted(definitions.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - definitions.keys())),
        changed=tuple(name for name, each in definitions.items() if before.get(name, each) != each),
        plugins=_compare_plugins(newest.head.plugins, plugins) if newest is not None else (),
    )
    if not changed:
        return None
    head = Head(number=number, at=at, definitions=len(definitions), changed=changed, plugins=dict(plugins))
    return Generation(head, definitions)


def collect_texts(desired: Mapping[str, Target | Broken]) -> dict[str, str]:
    """The texts that a generation of these has, by digest, as far as they are known: not of what stays as it was."""
    texts = (source.text for want in desired.values() if (source := _source_of(want)) is not None)
    return {digest_text(text): text for text in texts if text is not None}


def make_source(accepted: Accepted, text: str, generation: int) -> Source:
    """What a generation has kept of a file, as if it had just been read."""
    return Source(
        accepted.name,
        accepted.file,
        text,
        form=accepted.form,
        modified_at=accepted.modified_at,
        generation=generation,
        links=accepted.links,
    )


def digest_text(text: str) -> str:
    """The SHA-256 of a definition's text, in hexadecimal: what it is stored by."""
    return hashlib.sha256(text.encode()).hexdigest()


def compare_bundles(generation: Generation, desired: Mapping[str, Target | Broken]) -> tuple[str, ...]:
    """The names whose bundles come out otherwise than they did, since the host is another."""
    return tuple(
        name
        for name, accepted in sorted(generation.definitions.items())
        if isinstance(want := desired.get(name), Target) and want.bundle.digest != accepted.bundle
    )


def choose_generation(number: int | None, kept: Iterable[int], pinned: int | None) -> int | str:
    """Which generation is meant by a number, or (None) as the one before the live one; or in words why there is none.

    kept: the numbers of those there are. pinned: the one that is followed instead of the directory.
    """
    numbers = sorted(kept)
    if not numbers:
        return "there is no generation yet"
    live = numbers[-1] if pinned is None else pinned
    if number is None:
        earlier = [each for each in numbers if each < live]
        return earlier[-1] if earlier else f"there is no generation before {live}, which is live"
    if number in numbers:
        return number
    known = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]} only"
    return f"there is no generation {number} (there is {known})"


def choose_numbers_to_drop(numbers: Iterable[int], *, keep: int, pinned: int | None) -> tuple[int, ...]:
    """The generations that are not among the ``keep`` newest, nor pinned."""
    old = sorted(numbers)[:-keep]
    return tuple(number for number in old if number != pinned)


def encode_generation(generation: Generation) -> str:
    """The text of a generation's file."""
    return _encode(generation.head) + "".join(map(_encode, generation.definitions.values()))


def decode_generation(text: str) -> Generation:
    """The generation that a file's text holds. Raises DamagedState."""
    lines = text.splitlines()
    head = decode_head(lines[0] if lines else "")
    if len(lines) - 1 != head.definitions:
        raise DamagedState(f"it has {len(lines) - 1} definitions instead of {head.definitions}")
    return Generation(head, {each.name: each for each in map(decode_accepted, lines[1:])})


def decode_head(line: str) -> Head:
    """The head that the first line of a generation's file holds. Raises DamagedState."""
    return _decode(Head, line)


def decode_accepted(line: str) -> Accepted:
    """The definition that a further line holds. Raises DamagedState."""
    return _decode(Accepted, line)


def encode_pin(pin: Pin) -> str:
    """The text of the pin's file."""
    return _encode(pin)


def decode_pin(text: str) -> Pin:
    """The pin that a file's text holds. Raises DamagedState."""
    return _decode(Pin, text)


def _source_of(want: Target | Broken) -> Source | None:
    """What a name is made from. A Nix expression is kept as what it was built to: built again it may be another."""
    target = want.instead if isinstance(want, Broken) else want
    source = target.source if target is not None else None
    if source is None or source.built is None:
        return source
    return evolve(source, text=source.built.text, form=Form.JSON, built=None)


def _accept(name: str, want: Target | Broken, before: Accepted | None, number: int) -> Accepted | None:
    """What a generation keeps of a name. What cannot be made now stays what it was."""
    target = want.instead if isinstance(want, Broken) else want
    source = _source_of(want)
    if target is None or source is None or source.text is None:
        return before
    digest = digest_text(source.text)
    same = before is not None and before.digest == digest
    return Accepted(
        name=name,
        form=source.form,
        digest=digest,
        bundle=target.bundle.digest,
        file=source.file,
        modified_at=source.modified_at,
        since=before.since if same and before is not None else number,
        links=target.bundle.store.links if target.bundle.store is not None else (),
    )


def _compare_plugins(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(kind for kind in sorted({*old, *new}) if old.get(kind) != new.get(kind))


def _encode(value: Head | Accepted | Pin) -> str:
    return json.dumps(to_plain(value), allow_nan=False, separators=(",", ":")) + "\n"


def _decode(kind: type[KindT], line: str) -> KindT:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedState(f"it is not JSON: {error}") from None
    version = data.get("schema", GENERATION_SCHEMA) if isinstance(data, dict) else None
    if version != GENERATION_SCHEMA:
        raise DamagedState(f"its schema version is {version}, known is {GENERATION_SCHEMA}")
    return from_plain(kind, data)
