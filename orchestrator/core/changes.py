"""How two definitions, and what the host made of them, differ: why a plan has an action, in data and in words.

Floor: core.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.core.canonical import canonical_json
from orchestrator.core.encode import to_plain
from orchestrator.core.fields import HOST_PREFIX, classify
from orchestrator.model.action import FieldChange, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.contribution import LiveFile
from orchestrator.model.option import Change
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import dotted

LARGE = "(differs)"
"""What stands for a part of a config.json that is too large to be told."""

_LARGEST_OF_CONFIG = 400
"""Characters of its JSON."""
_LONGEST_SHOWN = 100
_SHOWN_OF_DIGEST = 12
_DEEPEST = 3
"""Keys of a path: what lies deeper in a config.json is told as one value."""

_KEYS_OF_LISTS: Mapping[KeyPath, str] = {
    ("mounts",): "destination",
    ("linux", "devices"): "path",
    ("linux", "namespaces"): "type",
    ("process", "rlimits"): "type",
}
"""By which of its keys an item of a list is told apart from the others (runtime-spec, config.md)."""


def explain_change(have: Target, want: Target) -> tuple[FieldChange, ...]:
    """Why one target is not the other: fields of the definition, and where they alone do not explain it what the host
    made of them. Empty only for targets that are the same but for what means nothing to either."""
    changes = diff_fields(have.fields, want.fields)
    strongest = classify(changes)
    if have.bundle != want.bundle and strongest is not Change.REPLACE:
        changes += _diff_contents(have.bundle, want.bundle) or explain_bundle(
            # Of what an earlier agent has made the digest is known, and nothing else.
            have.bundle.digest,
            have.bundle.config or None,
            want.bundle,
        )
    elif have.resources != want.resources and strongest not in (Change.UPDATE, Change.REPLACE):
        changes += _diff_trees({"resources": to_plain(have.resources)}, {"resources": to_plain(want.resources)})
    if have.bundle == want.bundle and have.live is not None:
        changes += diff_live(have.live, want.live or ())
    return changes


def _diff_contents(have: Bundle, want: Bundle) -> tuple[FieldChange, ...]:
    """The kinds that say that it is another container: a secret, say. What it is now is told nobody."""
    if not have.config:
        return ()
    keys = sorted({each.partition(": ")[0] for each in {*have.contents} ^ {*want.contents}})
    return tuple(FieldChange(f"{HOST_PREFIX}{key}", LARGE, LARGE) for key in keys)


def diff_live(have: Iterable[LiveFile], want: Iterable[LiveFile]) -> tuple[FieldChange, ...]:
    """The files that follow the host and are to say something else. That they differ is told, not what they say."""
    said, says = ({each.path: each.text for each in files} for files in (have, want))
    paths = sorted(path for path in says if said.get(path) != says[path])
    return tuple(FieldChange(f"{HOST_PREFIX}{path}", LARGE, LARGE) for path in paths)


def explain_bundle(digest: str, config: Mapping[str, Any] | None, want: Bundle) -> tuple[FieldChange, ...]:
    """Why a bundle is not the one of that digest, whose config.json is ``config`` if that is still known. At the least
    the digests tell that it is another."""
    changes = diff_configs(config, want.config) if config is not None else ()
    return changes or (FieldChange(f"{HOST_PREFIX}bundle", digest[:_SHOWN_OF_DIGEST], want.digest[:_SHOWN_OF_DIGEST]),)


def diff_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ between two results of `describe_fields`, by path."""
    paths = sorted({*old, *new})
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def diff_configs(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """What differs between the config.json of two bundles, by path: what the host made of one and the same definition.

    Variables and what has a key of its own (a mount its destination) are told one by one. None stands for what is not
    there; a large value is told as `LARGE`, on both sides if it is on both.
    """
    return _diff_trees(old, new)


def _diff_trees(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    before, after = _flatten(old), _flatten(new)
    paths = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return tuple(
        FieldChange(f"{HOST_PREFIX}{path}", _hide_large(before.get(path)), _hide_large(after.get(path)))
        for path in paths
    )


def show_change(change: FieldChange) -> str:
    """A change in one line for people: ``env.LANG: "C" → "C.UTF-8"``."""
    if change.old == change.new:  # both are large
        return f"{change.path}: differs"
    nothing = "none" if change.path.startswith(HOST_PREFIX) else "default"
    return f"{change.path}: {_show(change.old, nothing)} → {_show(change.new, nothing)}"


def _show(value: object, nothing: str) -> str:
    """A value in one line. Of a long one also its end, where a digest may stand."""
    if value is None:
        return nothing
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN // 2]} … {text[-_LONGEST_SHOWN // 2 :]}"


def _flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves by path, as plain JSON data: one that was read from a file is equal to one that was made."""
    plain = json.loads(canonical_json(config))
    return {dotted(path): leaf for path, leaf in _walk(plain, ())}


def _walk(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:  # noqa: ANN401 - JSON data
    items = _name_items(value, path)
    if items is None:
        yield path, value
    else:
        for key, item in items:
            yield from _walk(item, (*path, key))


def _name_items(value: Any, path: KeyPath) -> list[tuple[str, Any]] | None:  # noqa: ANN401 - JSON data
    """The parts of a value that are told one by one; None for a leaf."""
    if isinstance(value, dict):
        return list(value.items()) if (value or not path) and len(path) < _DEEPEST else None
    if not isinstance(value, list):
        return None
    if path == ("process", "env") and all(isinstance(item, str) for item in value):
        return [item.partition("=")[::2] for item in value]
    key = _KEYS_OF_LISTS.get(path)
    if key is not None and all(isinstance(item, dict) and isinstance(item.get(key), str) for item in value):
        return [(item[key], item) for item in value]
    return None


def _hide_large(value: Any) -> Any:  # noqa: ANN401 - JSON data
    return value if value is None or len(canonical_json(value)) <= _LARGEST_OF_CONFIG else LARGE
