"""The limits of a process: their names and values as getrlimit(2) has them. Floor: core."""

from collections.abc import Mapping

from orchestrator.core.suggest import find_similar, list_choices, quote, show_value
from orchestrator.core.values import parse_size
from orchestrator.model import oci
from orchestrator.model.confinement import Rlimit
from orchestrator.model.problem import Fault
from orchestrator.model.types import RlimitName, RlimitValue

NAMES = (
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
)
"""Those of Linux, in lower case and without ``RLIMIT_``."""

UNLIMITED = RlimitValue(2**64 - 1)
"""RLIM_INFINITY, as the kernel has it."""

MOST_FILES = 0x7FFFFFC0
"""The most that the kernel lets fs.nr_open be (proc(5)), and so a process's open files, on 64-bit machines."""


def parse_rlimit_name(text: str) -> RlimitName | Fault:
    """``"nofile"``: a limit of getrlimit(2) in lower case, without its prefix."""
    if text in NAMES:
        return RlimitName(text)
    similar = find_similar(text.lower().removeprefix("rlimit_"), NAMES)
    hint = f"did you mean {quote(similar)}?" if similar else f"write {list_choices(NAMES)}"
    return Fault((), f"{quote(text)} is not a limit of getrlimit(2)", hint)


def parse_rlimit_text(text: str) -> RlimitValue | Fault:
    """``"unlimited"``; any other text is a fault, since numbers stand without quotes."""
    if text == "unlimited":
        return UNLIMITED
    hint = 'write a number, or "unlimited"'
    if text.isascii() and text.isdigit() and len(text) <= 20:
        hint = f"write {int(text)}, without quotes"
    elif text.lower() in ("infinity", "unlimited", "inf", "-1"):
        hint = 'write "unlimited"'
    elif isinstance(size := parse_size(text), int):
        hint = f"write {size}"
    return Fault((), f"{quote(text)} is not a limit", hint)


def check_rlimit_number(number: int) -> RlimitValue | Fault:
    """``number``, if a limit can be so: from 0 to below RLIM_INFINITY."""
    if number < 0:
        hint = 'write "unlimited"' if number == -1 else 'write 0 or more, or "unlimited"'
        return Fault((), f"the limit {show_value(number)} is negative", hint)
    if number >= UNLIMITED:
        return Fault((), f"the limit {show_value(number)} is above {UNLIMITED - 1}, the largest", 'write "unlimited"')
    return RlimitValue(number)


def choose_rlimits(wanted: Mapping[RlimitName, Rlimit]) -> tuple[tuple[oci.Rlimit, ...], tuple[Fault, ...]]:
    """``process.rlimits``, sorted by type, and what is wrong with what is wanted."""
    chosen, faults = [], []
    for name, limit in wanted.items():
        soft = limit.hard if limit.soft is None else limit.soft
        if soft > limit.hard:
            message = f"soft is {_show(soft)}, above hard, which is {_show(limit.hard)}"
            faults.append(Fault(("rlimits", name, "soft"), message, f"write {_show(limit.hard)} or less"))
        if name == "nofile" and limit.hard > MOST_FILES:
            message = f"{_show(limit.hard)} is more than the kernel takes: fs.nr_open is the most"
            faults.append(Fault(("rlimits", name), message, "write 1048576, its default, or less"))
        chosen.append(oci.Rlimit(f"RLIMIT_{name.upper()}", soft, limit.hard))
    return tuple(sorted(chosen, key=lambda limit: limit.type)), tuple(faults)


def _show(value: int) -> str:
    return '"unlimited"' if value == UNLIMITED else str(value)
