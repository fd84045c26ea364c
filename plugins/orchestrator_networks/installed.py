"""Whether CNI's plugins are on the host, asked beforehand: what is missing is told before anything starts.

Floor: plugin.
"""

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.plugin import EntriesQuestion, Facts, Fault, FolderAnswer, PathKind, PathQuestion
from orchestrator_networks.conflist import PLUGIN_FOLDERS
from orchestrator_networks.executing import PACKAGE

IPTABLES = ("/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables", "/usr/local/sbin/iptables")
"""Where iptables(8) may be."""
IP = ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip")
"""Where ip(8) may be."""
PACKAGES = {"iptables": "iptables", "ip": "iproute2"}
"""In which of Debian's packages they are."""


def plugin_questions(names: Iterable[str]) -> tuple[PathQuestion, ...]:
    """What stands where plugins are, and the programs that are run beside."""
    return (*_find_places(names), *(PathQuestion(path) for path in (*IPTABLES, *IP)))


def _find_places(names: Iterable[str]) -> tuple[PathQuestion, ...]:
    return tuple(PathQuestion(f"{folder}/{name}") for name in names for folder in PLUGIN_FOLDERS)


def find_missing(names: Iterable[str], facts: Facts) -> Iterator[Fault]:
    """A fault for what is not there, plugins and programs. Where CNI_PATH says another place, that is
    looked at when a container starts."""
    if not facts.host.cni_path:
        missing = [name for name in names if all(_is_missing(each.path, facts) for each in _find_places([name]))]
        if missing:
            yield _describe(missing)
    for name, paths in (("iptables", IPTABLES), ("ip", IP)):
        if all(_is_missing(path, facts) for path in paths):
            yield Fault(
                (), f"there is no {name} on this host, which a bridge needs", f"apt-get install {PACKAGES[name]}"
            )


def folder_questions() -> tuple[EntriesQuestion, ...]:
    """What there is where plugins are, for a network of which it is not known beforehand which it takes."""
    return tuple(EntriesQuestion(folder) for folder in PLUGIN_FOLDERS)


def find_missing_of(names: Iterable[str], facts: Facts) -> Iterator[Fault]:
    """The same by these questions."""
    there: set[str] = set()
    for folder in PLUGIN_FOLDERS:
        found = facts.entries[folder] or FolderAnswer()
        there |= {*found.files, *(name for name, _ in found.links)}
    missing = [name for name in names if name not in there]
    if missing and not facts.host.cni_path:
        yield _describe(missing)


def _describe(missing: Sequence[str]) -> Fault:
    what = f"CNI plugin{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    message = f"there is no {what} in {', '.join(PLUGIN_FOLDERS)}"
    return Fault((), message, f"apt-get install {PACKAGE}, or set CNI_PATH for the agent")


def _is_missing(path: str, facts: Facts) -> bool:
    return facts.paths[path].kind is PathKind.MISSING
