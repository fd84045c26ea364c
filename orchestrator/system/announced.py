"""What the installed packages announce: the entry points of our groups, by the files of their metadata.

As `importlib.metadata` would list them, which takes as long to load as all of this takes to do: that is for a process
whose modules do not lie in folders. https://packaging.python.org/specifications/entry-points/ and
https://packaging.python.org/specifications/recording-installed-packages/ Floor: system.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import PathFinder

from attrs import frozen

_PREFIX = "orchestrator."
_SUFFIXES = (".dist-info", ".egg-info")


@frozen
class Point:
    """One entry point. ``value`` is ``package.module:Class``; ``name`` is empty for a line that is none."""

    group: str
    name: str
    value: str


@frozen
class Announcement:
    """What one installed package announces in groups of ours."""

    distribution: str
    version: str
    points: tuple[Point, ...]


def list_announcements() -> Iterator[Announcement]:
    """Of each package on the path of this process, the first of each name, those that announce something. Files that
    cannot be read announce nothing."""
    seen: set[str] = set()
    for points, metadata in _read_all():
        if _PREFIX not in points:
            continue  # most have none of ours, and to read on takes longer
        head = _read_head(metadata)
        name = head.get("name", "an unknown distribution")
        known = re.sub(r"[-_.]+", "-", name).lower()
        if known not in seen:  # or it is further back on the path: what Python would not import either
            seen.add(known)
            yield Announcement(name, head.get("version", ""), tuple(_parse(points)))


def _read_all() -> Iterator[tuple[str, str]]:
    """The texts of entry_points.txt and of the metadata of each package that has the former."""
    others = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions") and finder is not PathFinder]
    paths = [path or "." for path in sys.path]
    if others or any(os.path.isfile(path) for path in paths):
        yield from _ask_finders()
        return
    for path in dict.fromkeys(paths):
        for folder in _list_metadata(path):
            points = _read(f"{folder}/entry_points.txt")
            if points:
                yield points, _read(f"{folder}/METADATA") or _read(f"{folder}/PKG-INFO")


def _ask_finders() -> Iterator[tuple[str, str]]:
    from importlib.metadata import distributions

    for each in distributions():
        points = each.read_text("entry_points.txt")
        if points:
            yield points, each.read_text("METADATA") or each.read_text("PKG-INFO") or ""


def _list_metadata(path: str) -> Iterable[str]:
    with suppress(OSError):
        return sorted(os.path.join(path, name) for name in os.listdir(path) if name.endswith(_SUFFIXES))
    return ()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _read_head(text: str) -> dict[str, str]:
    """The fields before the description (https://packaging.python.org/specifications/core-metadata/)."""
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.lower(): value.strip() for key, _, value in reversed([*lines]) if not key.startswith((" ", "\t"))}


def _parse(text: str) -> Iterator[Point]:
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and not line.startswith(("#", ";")) and group.startswith(_PREFIX):
            name, sign, value = line.partition("=")
            yield Point(group, name.strip(), value.strip()) if sign else Point(group, "", line)
