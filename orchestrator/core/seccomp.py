"""The system calls that a container may make: a profile of the host, made into what the runtime-spec has.

A profile is the JSON that containers-common ships and podman and docker read (containers-seccomp.json(5)): rules for
all architectures, capabilities and kernels, of which those that hold here are kept. Where the host has none, `BUILT_IN`
denies what no confined program needs. Floor: core.
"""

import errno
import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.core.suggest import quote

_ACTIONS = (
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
)
"""Without NOTIFY, which needs a listener that there is not."""

_OPERATORS = tuple(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))

_ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        *("X86", "X86_64", "X32", "ARM", "AARCH64", "LOONGARCH64", "RISCV64", "S390", "S390X", "PARISC", "PARISC64"),
        *("MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64", "PPC64LE"),
    )
)

_MACHINES: Mapping[str, tuple[str, str]] = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "mips64": ("mips64", "SCMP_ARCH_MIPS64"),
}
"""What uname(2) says: the name in a profile's rules, and libseccomp's."""


class ProfileError(ValueError):
    """A profile that cannot be used; the message says what in it is wrong."""


def compile_profile(
    profile: Mapping[str, Any] | None, machine: str, kernel: tuple[int, int], capabilities: Iterable[str]
) -> Mapping[str, Any]:
    """``linux.seccomp`` (runtime-spec config-linux.md, "Seccomp") from a profile, None for `BUILT_IN`.

    machine: as uname(2) has it. kernel: major and minor version. capabilities: the container's, with ``CAP_``.
    Raises ProfileError for a profile that is not of the form or uses what is not supported.
    """
    profile = BUILT_IN if profile is None else profile
    name, native = _MACHINES.get(machine, (machine, ""))
    seccomp: dict[str, Any] = {"defaultAction": _action(profile.get("defaultAction"))}
    number = _errno(profile, "defaultErrnoRet", "defaultErrno")
    if number is not None and seccomp["defaultAction"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        seccomp["defaultErrnoRet"] = number
    architectures = _architectures(profile, native)
    if architectures:
        seccomp["architectures"] = architectures
    rules: list[dict[str, Any]] = []
    held = frozenset(capabilities)
    for rule in _tables(profile, "syscalls"):
        compiled = _rule(rule)
        if _holds(rule, name, kernel, held) and compiled not in rules:
            rules.append(compiled)
    if rules:
        seccomp["syscalls"] = rules
    return seccomp


def _architectures(profile: Mapping[str, Any], native: str) -> list[str]:
    """Those whose calls are let through: the machine's own and what runs on it besides (x86 on x86_64)."""
    chosen = _strings(profile, "architectures")
    if not chosen and native:
        maps = (entry for entry in _tables(profile, "archMap") if entry.get("architecture") == native)
        chosen = [native, *_strings(next(maps, {}), "subArchitectures")]
    for name in chosen:
        if name not in _ARCHITECTURES:
            raise ProfileError(f"unknown architecture {_quote(name)}")
    return chosen


def _holds(rule: Mapping[str, Any], name: str, kernel: tuple[int, int], held: frozenset[str]) -> bool:
    """Whether a rule is for this architecture, kernel and set of capabilities. All of ``includes`` must be so: one of
    its architectures, all of its capabilities, the kernel at least; nothing of ``excludes``."""
    includes, excludes = _table(rule, "includes"), _table(rule, "excludes")
    needed, barred = _strings(includes, "arches"), _strings(excludes, "arches")
    least, below = includes.get("minKernel"), excludes.get("minKernel")
    return (
        (not needed or name in needed)
        and name not in barred
        and held.issuperset(_strings(includes, "caps"))
        and held.isdisjoint(_strings(excludes, "caps"))
        and (not least or kernel >= _kernel(least))
        and (not below or kernel < _kernel(below))
    )


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = _strings(rule, "names")
    if rule.get("name"):
        names.append(_string(rule["name"], "name"))
    if not names:
        raise ProfileError("a rule of syscalls names no system call")
    action = _action(rule.get("action"))
    compiled: dict[str, Any] = {"names": names, "action": action}
    number = _errno(rule, "errnoRet", "errno")
    if number is not None and action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        compiled["errnoRet"] = number
    conditions = [_condition(condition) for condition in _tables(rule, "args")]
    if conditions:
        compiled["args"] = conditions
    return compiled


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: condition.get(key, 0) for key in ("index", "value", "valueTwo")}
    for key, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**64:
            raise ProfileError(f"{key} of a rule's args is {_quote(number)}, not a number from 0 to 2^64 - 1")
    if numbers["index"] > 5:
        raise ProfileError(f"index of a rule's args is {_quote(numbers['index'])}: a system call has 0 to 5")
    operator = condition.get("op")
    if operator not in _OPERATORS:
        raise ProfileError(f"unknown operator {_quote(operator)}")
    return {**numbers, "op": operator}


def _quote(value: object) -> str:
    """What stands in a profile, on one line. Raises ValueError for a number of thousands of digits."""
    return quote(str(value))


def _action(value: object) -> str:
    if value not in _ACTIONS:
        raise ProfileError(f"unknown action {_quote(value)}")
    return str(value)


def _errno(table: Mapping[str, Any], number_key: str, name_key: str) -> int | None:
    """The error number of a rule, by its name where it has one: numbers differ between architectures."""
    name = table.get(name_key)
    if name:
        number = getattr(errno, _string(name, name_key), None)
        if not isinstance(number, int):
            raise ProfileError(f"unknown {name_key} {_quote(name)}")
        return number
    number = table.get(number_key)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 4096:
        raise ProfileError(f"{number_key} is {_quote(number)}, not an error number")
    return number


def _kernel(text: object) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", str(text))
    if match is None:
        raise ProfileError(f'minKernel is {_quote(text)}, not a version like "4.8"')
    return int(match[1]), int(match[2])


def _string(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise ProfileError(f"{key} is {_quote(value)}, not a string")
    return value


def _strings(table: Mapping[str, Any], key: str) -> list[str]:
    values = table.get(key) or []
    if not isinstance(values, list):
        raise ProfileError(f"{key} is {_quote(values)}, not a list")
    return [_string(value, key) for value in values]


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key) or {}
    if not isinstance(value, Mapping):
        raise ProfileError(f"{key} is {_quote(value)}, not an object")
    return value


def _tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    values = table.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
        raise ProfileError(f"{key} is not a list of objects")
    return values


def _deny(*names: str, caps: tuple[str, ...] = (), error: str = "EPERM", **rest: Any) -> dict[str, Any]:  # noqa: ANN401
    """A rule against ``names`` for those who have none of ``caps``."""
    excludes = {"excludes": {"caps": list(caps)}} if caps else {}
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errno": error, **excludes, **rest}


def _deny_clone(bit: int) -> list[dict[str, Any]]:
    """Rules against clone(2) with a flag. Its flags are the first argument, on s390 the second."""
    rules = []
    for index, key in ((0, "excludes"), (1, "includes")):
        rule = _deny("clone", args=[{"index": index, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}])
        rule[key] = {"arches": ["s390", "s390x"]}
        rule["excludes"] = {"caps": ["CAP_SYS_ADMIN"], **rule.get("excludes", {})}
        rules.append(rule)
    return rules


_NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
"""clone(2): CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""

BUILT_IN: Mapping[str, Any] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        {"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]},
    ],
    "syscalls": [
        # Keyrings, tracing hooks, page-fault handling and io_uring's own call paths: no namespace confines them.
        _deny("add_key", "keyctl", "request_key", "userfaultfd", "lookup_dcookie", "nfsservctl", "uselib", "ustat"),
        _deny("_sysctl", "sysfs", "get_kernel_syms", "create_module", "vm86", "vm86old", "pivot_root"),
        _deny("io_uring_setup", "io_uring_enter", "io_uring_register"),
        _deny("kexec_load", "kexec_file_load", "reboot", caps=("CAP_SYS_BOOT",)),
        _deny("init_module", "finit_module", "delete_module", "query_module", caps=("CAP_SYS_MODULE",)),
        _deny("ioperm", "iopl", caps=("CAP_SYS_RAWIO",)),
        _deny("clock_settime", "clock_settime64", "settimeofday", "stime", caps=("CAP_SYS_TIME",)),
        _deny("acct", caps=("CAP_SYS_PACCT",)),
        _deny("kcmp", "process_vm_readv", "process_vm_writev", "process_madvise", caps=("CAP_SYS_PTRACE",)),
        _deny("open_by_handle_at", caps=("CAP_DAC_READ_SEARCH",)),
        _deny("syslog", caps=("CAP_SYSLOG",)),
        _deny("vhangup", caps=("CAP_SYS_TTY_CONFIG",)),
        _deny("bpf", "perf_event_open", "fanotify_init", "quotactl", "quotactl_fd", caps=("CAP_SYS_ADMIN",)),
        _deny("swapon", "swapoff", "setns", "unshare", "setdomainname", "sethostname", caps=("CAP_SYS_ADMIN",)),
        _deny("mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", caps=("CAP_SYS_ADMIN",)),
        _deny("fsopen", "fsconfig", "fsmount", "fspick", caps=("CAP_SYS_ADMIN",)),
        # New namespaces, user namespaces above all: they make a container's process root to a large part of the
        # kernel. clone3's flags lie in memory, out of a filter's sight; after ENOSYS libc takes clone.
        _deny("clone3", caps=("CAP_SYS_ADMIN",), error="ENOSYS"),
        *(rule for bit in _NEW_NAMESPACES for rule in _deny_clone(bit)),
        # Typing into the terminal that a container was given: TIOCSTI, and TIOCLINUX on a console. ioctl_tty(2).
        *(
            _deny("ioctl", args=[{"index": 1, "value": request, "valueTwo": 0, "op": "SCMP_CMP_EQ"}])
            for request in (0x5412, 0x541C)
        ),
    ],
}
"""Used where the host has no profile: everything is allowed but this. What needs a capability is left to those that
have it."""
