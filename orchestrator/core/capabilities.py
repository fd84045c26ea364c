"""What an application may do beyond an ordinary process: the names of capabilities(7), and which of them it gets.

Floor: core.
"""

from collections.abc import Iterable

from orchestrator.core.suggest import quote
from orchestrator.model.confinement import Capabilities
from orchestrator.model.problem import Fault, Guess
from orchestrator.model.types import Capability

ALL = Capability("ALL")

PREFIX = "CAP_"

KNOWN = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
"""In the kernel's order (linux/capability.h): the number of each is its index."""


def parse_capability(text: str) -> Capability | Fault:
    """``"NET_ADMIN"``, ``"CAP_NET_ADMIN"`` or ``"ALL"``: a capability as capabilities(7) names it, with its prefix."""
    if text == ALL:
        return ALL
    name = text if text.startswith(PREFIX) else f"{PREFIX}{text}"
    if name in KNOWN:
        return Capability(name)
    short = (ALL, *(known.removeprefix(PREFIX) for known in KNOWN))
    hint = 'write a name of capabilities(7): "NET_ADMIN", or "ALL"'
    if text.upper() == f"{PREFIX}{ALL}":
        return Fault((), f"{quote(text)} is not a capability", f"write {quote(ALL)}")
    guess = Guess(text, KNOWN if text.upper().startswith(PREFIX) else short)
    return Fault((), f"{quote(text)} is not a capability", hint, guess=guess)


def choose_capabilities(
    wanted: Capabilities, given: Iterable[str], bounding_set: int
) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """What a process gets, sorted, and what is wrong with what is wanted.

    given: what it has without being asked for: the defaults of its user, and what plugins add. bounding_set: what can
    be given, a bit for each number (`HostFacts.bounding_set`). A name is stronger than ``"ALL"``: all but what is
    dropped by name, or nothing but what is added by name.
    """
    here = tuple(name for number, name in enumerate(KNOWN) if bounding_set >> number & 1)
    faults = []
    for index, name in enumerate(wanted.add):
        at = ("capabilities", "add", index)
        if name in wanted.drop:
            faults.append(Fault(at, f"{quote(name)} is dropped as well", "take one of them away"))
        elif name != ALL and name not in here:
            message = f"cannot add {quote(name)}: the agent has none to give"
            hint = "it is not in the agent's bounding set, or the kernel is too old for it: capabilities(7)"
            faults.append(Fault(at, message, hint))
    held = set() if ALL in wanted.drop else set(given)
    if ALL in wanted.add:
        held.update(here)
    held.update(wanted.add)
    held.difference_update(wanted.drop, (ALL,))
    return tuple(sorted(held)), tuple(faults)
