"""The folders of an instance that plugin kinds name before there is one, filled in: in sources and options of mounts.

`orchestrator.model.attached` has the names. Floor: core.
"""

from collections.abc import Iterable, Mapping
from typing import Any


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
    return f"{name}{equals}{':'.join(_fill_in(path, folders) for path in value.split(':'))}"


def _fill_in(path: str, folders: Mapping[str, str]) -> str:
    name, slash, rest = path.partition("/")
    return f"{folders[name]}{slash}{rest}" if name in folders else path
