"""The folders of an instance that plugin kinds name before there is one, filled in: in sources and options of mounts.

`orchestrator.model.attached` has the names. Floor: core.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_PATH_OF_SEVERAL = re.compile(r"(?:\\.|[^\\:])+", re.DOTALL)
"""What stands between the colons of an option that are not escaped."""


def escape_option(path: str) -> str:
    """A path as it stands in an option of overlayfs: a comma ends an option there and a colon a path, unless a
    backslash is before it (mount(8), "Mount options for overlay")."""
    return re.sub(r"[\\:,]", r"\\\g<0>", path)


def fill_in_folders(mounts: Iterable[Mapping[str, Any]], folders: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The mounts of a config.json with paths where they begin with one of the names. An option may have several paths,
    ``lowerdir=A:B``."""
    return [_fill_in_mount(mount, folders) for mount in mounts]


def names_folder(mount: Mapping[str, Any], folders: Iterable[str]) -> bool:
    """Whether a mount of a config.json has a path that only an instance can fill in."""
    return _fill_in_mount(mount, dict.fromkeys(folders, "")) != mount


def _fill_in_mount(mount: Mapping[str, Any], folders: Mapping[str, str]) -> Mapping[str, Any]:
    source, options = mount.get("source"), mount.get("options")
    filled = dict(mount)
    if isinstance(source, str) and source.startswith("@"):
        filled["source"] = _fill_in(source, folders)
    if isinstance(options, list) and any(isinstance(option, str) and "@" in option for option in options):
        filled["options"] = [_fill_in_option(option, folders) for option in options]
    return filled


def _fill_in_option(option: Any, folders: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON data
    if not isinstance(option, str):
        return option
    name, equals, value = option.partition("=")
    return name + equals + _PATH_OF_SEVERAL.sub(lambda match: _fill_in(match[0], folders, escape=True), value)


def _fill_in(path: str, folders: Mapping[str, str], *, escape: bool = False) -> str:
    name, slash, rest = path.partition("/")
    if name not in folders:
        return path
    folder = escape_option(folders[name]) if escape else folders[name]
    return f"{folder}{slash}{rest}"
