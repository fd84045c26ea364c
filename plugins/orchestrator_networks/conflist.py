"""CNI's network configurations, as administrators write them: read, checked, found by name. Pure.

The format is SPEC.md, section 1, "Network configuration format" (1.1.0); the names of plugins' needs are
CONVENTIONS.md's. Running plugins is `orchestrator_networks.client`'s work. Floor: plugin.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

FOLDER = "/etc/cni/net.d"
SUFFIXES = (".conf", ".conflist", ".json")
"""What the files of that folder end with."""

PLUGIN_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
"""Where plugins are unless CNI_PATH says it: their own project's place, Debian's, Fedora's."""

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""The versions of the protocol that are spoken, oldest first: before 0.3.0 plugins could not follow each other."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""The name of a network, and of a plugin, which is that of its file."""

Conflist = Mapping[str, Any]


class Unusable(ValueError):
    """A text is no network configuration: ``str()`` says why."""


def read_conflist(text: str) -> Conflist:
    """A list of plugins, or a single one, which becomes a list of one. Raises Unusable."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unusable(f"it is not JSON: {getattr(error, 'msg', 'a value that no JSON has')}{place}") from None
    if not isinstance(read, dict):
        raise Unusable("it is not a JSON object")
    if "plugins" not in read and "type" in read:
        read = {key: read[key] for key in ("cniVersion", "name") if key in read} | {"plugins": [read]}
    name, plugins = read.get("name"), read.get("plugins")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Unusable('its "name" is missing, or has other characters than letters, digits, ".", "_" and "-"')
    if not isinstance(plugins, list) or not plugins:
        raise Unusable('it has no list of "plugins"')
    for index, plugin in enumerate(plugins):
        kind = plugin.get("type") if isinstance(plugin, dict) else None
        if not isinstance(kind, str) or not NAME.fullmatch(kind):
            raise Unusable(f'its plugins[{index}] has no "type", the name of a plugin')
    if not list_versions(read):
        asked = ", ".join(_list_asked(read)) or "none"
        raise Unusable(f'its "cniVersion" is {asked}, and those from {VERSIONS[0]} to {VERSIONS[-1]} are spoken')
    return {key: value for key, value in read.items() if key != "$schema"}


def list_versions(conflist: Conflist) -> tuple[str, ...]:
    """The versions that may be spoken, newest first (SPEC.md, ``cniVersions``)."""
    asked = set(_list_asked(conflist))
    return tuple(version for version in reversed(VERSIONS) if version in asked)


def _list_asked(conflist: Conflist) -> list[str]:
    several = conflist.get("cniVersions")
    listed = several if isinstance(several, list) else []
    return [str(each) for each in dict.fromkeys((*listed, conflist.get("cniVersion"))) if each is not None]


def is_newer(version: str, than: str) -> bool:
    """Whether a version that is spoken is ``than`` or later."""
    return VERSIONS.index(version) >= VERSIONS.index(than)


def list_plugins(conflist: Conflist) -> tuple[str, ...]:
    """The plugins that it takes, those for addresses too, each once."""
    return tuple(dict.fromkeys(_walk_plugins(conflist)))


def _walk_plugins(conflist: Conflist) -> Iterator[str]:
    for plugin in conflist["plugins"]:
        yield plugin["type"]
        ipam = plugin.get("ipam")
        if isinstance(ipam, dict) and isinstance(ipam.get("type"), str) and ipam["type"]:
            yield ipam["type"]


def list_capabilities(conflist: Conflist) -> frozenset[str]:
    """What its plugins want to be told of a container (CONVENTIONS.md, "Dynamic Plugin specific fields")."""
    declared = (plugin.get("capabilities") for plugin in conflist["plugins"])
    return frozenset(name for each in declared if isinstance(each, dict) for name, wanted in each.items() if wanted)


def find_named(name: str, texts: Iterable[tuple[str, str | None]]) -> tuple[Conflist | None, Sequence[str]]:
    """The network called so, and the names that there are. texts: files by name, sorted; the first that has it
    counts. What cannot be used is passed over: it may be none of ours."""
    found: Conflist | None = None
    names: list[str] = []
    for _, text in texts:
        try:
            conflist = read_conflist(text or "")
        except Unusable:
            continue
        names.append(conflist["name"])
        if found is None and conflist["name"] == name:
            found = conflist
    return found, names
