"""The small languages inside strings: durations, sizes, signals, paths and names. Text in, value or `Fault` out.

A fault found here has the empty path; who knows where the text stands puts the rest before it (`Fault.below`). Nothing
is looked up: whether a user or a path exists is for others to ask. Floor: core.
"""

import posixpath
import re
import signal

from orchestrator.core.suggest import find_similar, quote
from orchestrator.model.problem import Fault
from orchestrator.model.types import (
    NAME_PATTERN,
    AbsolutePath,
    AnnotationName,
    Duration,
    EnvName,
    FileMode,
    GroupName,
    HostName,
    MountPath,
    SignalName,
    Size,
    Umask,
    UserName,
)

SYSTEM_MOUNTS = ("/proc", "/sys", "/dev")
"""What every container gets by itself: no mount of a definition may be one of them or lie below one."""

LARGEST_SIZE = 2**63 - 1
"""Bytes: the kernel keeps its limits as signed 64-bit numbers."""

LARGEST_ID = 2**32 - 2
"""The largest uid or gid; 2^32 - 1 means "unchanged" to chown(2) and setresuid(2)."""

LONGEST_PATH = 4095
"""Bytes: PATH_MAX of limits.h without the NUL at the end."""

LONGEST_PART = 255
"""Bytes of a file's name: NAME_MAX of limits.h."""

MOST_FOLDERS = 32
"""Parts of a path inside the container, each of which may have to be made for it."""

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds, largest first."""
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _UNITS))
_FRACTION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(ms|s|m|h|d)")
_BARE_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SIZE_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"([0-9]{1,20})([KMGT])(?:iB)?")
_LOOSE_SIZE = re.compile(r"([0-9]{1,20})\s*([KMGT])(?:i?B?)", re.IGNORECASE)
_REALTIME = re.compile(r"SIGRT(?:MIN\+([0-9]{1,2})|MAX-([0-9]{1,2}))")
_USER_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?")
_NUMBER = re.compile(r"[0-9]{1,10}")
_OCTAL = re.compile(r"(?:0o)?([0-7]{1,4})")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_name(name: str) -> Fault | None:
    """Whether a container may be called ``name`` (`NAME_PATTERN`)."""
    if re.fullmatch(NAME_PATTERN, name):
        return None
    close = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:63]
    return Fault(
        (),
        f"{quote(name)} is no name for a container: {_explain_name(name)}",
        f"did you mean {quote(close)}?" if close else "a name is made of a-z, 0-9, '.', '_' and '-'",
    )


def _explain_name(name: str) -> str:
    if len(name) > 63:
        return f"it has {len(name)} characters, 63 are the most"
    if not re.fullmatch(r"[a-z0-9._-]*", name):
        return "it may have a-z, 0-9, '.', '_' and '-' only"
    return "it must begin with a letter or a digit"


def parse_duration(text: str) -> Duration | Fault:
    """``"1m30s"`` as seconds. Units ms, s, m, h, d, whole numbers, each unit once, largest first."""
    match = _DURATION.fullmatch(text)
    if match and text:
        total = sum(int(match[unit] or 0) * factor for unit, factor in _UNITS.items())
        return Duration(total / 1000)
    hint = 'write "10s" or "1m30s"; units are ms, s, m, h, d, the largest first'
    if _BARE_NUMBER.fullmatch(text):
        return Fault((), f"the duration {quote(text)} has no unit", suggest_duration(float(text)))
    if match := _FRACTION.fullmatch(text):
        seconds = float(f"{match[1]}.{match[2]}") * _UNITS[match[3]] / 1000
        return Fault((), f"the duration {quote(text)} is not made of whole numbers", suggest_duration(seconds))
    return Fault((), f"{quote(text)} is not a duration", hint)


def suggest_duration(seconds: float) -> str:
    """The hint that tells how to write a duration that was given as a number of seconds."""
    return f"write {quote(format_duration(seconds))}" if 0 <= seconds <= 1e12 else 'write "10s" or "1m30s"'


def format_duration(seconds: float) -> str:
    """Seconds (not negative) as a definition has them, to the millisecond: ``"1m30s"``."""
    rest, text = round(seconds * 1000), ""
    for unit, factor in _UNITS.items():
        count, rest = divmod(rest, factor)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


def parse_size(text: str) -> Size | Fault:
    """``"256M"`` or ``"256MiB"`` as bytes. Whole numbers; K, M, G, T are powers of 1024."""
    if match := _SIZE.fullmatch(text):
        return check_size(int(match[1]) * _SIZE_UNITS[match[2]], quote(text))
    hint = 'write "256M"; units are K, M, G, T, powers of 1024'
    if _BARE_NUMBER.fullmatch(text):
        hint = f'write {text.partition(".")[0]} without quotes for bytes, or a unit as in "256M"'
    elif match := _LOOSE_SIZE.fullmatch(text):
        hint = f"did you mean {quote(match[1] + match[2].upper())}? units are powers of 1024"
    return Fault((), f"{quote(text)} is not a size", hint)


def check_size(count: int, shown: str) -> Size | Fault:
    """``count`` bytes, if there can be so many; ``shown`` is how they were written."""
    if count < 0:
        return Fault((), f"the size {shown} is negative", 'write "256M" or a number of bytes')
    if count > LARGEST_SIZE:
        return Fault((), f"the size {shown} is above {LARGEST_SIZE} bytes, the kernel's limit")
    return Size(count)


def format_size(count: int) -> str:
    """Bytes (not negative) as a definition has them, exact: ``"256M"`` in quotes, ``1000`` as a bare number."""
    for unit, factor in reversed(_SIZE_UNITS.items()):
        if count and count % factor == 0:
            return quote(f"{count // factor}{unit}")
    return str(count)


def parse_signal(text: str) -> SignalName | Fault:
    """``"SIGTERM"``, ``"TERM"``, ``"SIGRTMIN+3"``: a signal as kill(1) lists it, as its name with the prefix."""
    name = text if text.startswith("SIG") else f"SIG{text}"
    if name in signal.Signals.__members__ or _count_realtime(name) is not None:
        return SignalName(name)
    message = f"{quote(text)} is not a signal"
    if _NUMBER.fullmatch(text):
        return Fault((), f"{message}: it is a number", suggest_signal(int(text)))
    known = [known.removeprefix("SIG") for known in signal.Signals.__members__]
    similar = find_similar(text.upper().removeprefix("SIG"), known)
    return Fault(
        (), message, f'did you mean "SIG{similar}"?' if similar else 'write a name as kill -l has it: "SIGTERM"'
    )


def signal_number(name: SignalName) -> int:
    """The number of a signal that `parse_signal` accepted, on this machine (signal(7))."""
    number = _count_realtime(name)
    return int(signal.Signals[name]) if number is None else number


def suggest_signal(number: int) -> str:
    """The hint that tells how to write a signal that was given as a number."""
    names = [found.name for found in signal.Signals if found == number]
    return f"write {quote(names[0])}" if names else 'write a name as kill -l has it: "SIGTERM"'


def _count_realtime(name: str) -> int | None:
    match = _REALTIME.fullmatch(name)
    if match is None:
        return None
    number = signal.SIGRTMIN + int(match[1]) if match[1] else signal.SIGRTMAX - int(match[2])
    return int(number) if signal.SIGRTMIN <= number <= signal.SIGRTMAX else None


def parse_absolute_path(text: str) -> AbsolutePath | Fault:
    """A path from ``/`` without ``..``, normalised: one slash between its parts, no ``.``, none at its end.

    What the kernel would refuse as too long is a fault (path_resolution(7)): a part, or what is left after that.
    """
    if not text.startswith("/"):
        hint = f"write {quote('/' + text.lstrip('./'))}" if text.strip("./") else ""
        return Fault((), f"the path {quote(text)} is not absolute: it must begin with '/'", hint)
    path = _normalise(text)
    if ".." in text.split("/"):
        return Fault((), f"the path {quote(text)} contains '..'", f"write {quote(path)}")
    if (length := _count_bytes(path)) > LONGEST_PATH:
        return Fault((), f"the path {quote(text)} has {length} bytes, {LONGEST_PATH} are the most")
    for part in path.split("/"):
        if (length := _count_bytes(part)) > LONGEST_PART:
            return Fault((), f"the name {quote(part)} in a path has {length} bytes, {LONGEST_PART} are the most")
    return AbsolutePath(path)


def check_depth(path: str) -> Fault | None:
    """Whether an absolute, normalised path inside the container has few enough parts."""
    count = path.count("/")
    if count <= MOST_FOLDERS:
        return None
    return Fault((), f"the path {quote(path)} has {count} parts, {MOST_FOLDERS} are the most inside a container")


def parse_mount_path(text: str) -> MountPath | Fault:
    """A destination of a mount: an absolute path that is not ``/`` nor one of the system's own mounts or below one."""
    path = parse_absolute_path(text)
    if isinstance(path, Fault):
        return path
    if path == "/":
        return Fault((), f"cannot mount over {quote(text)}: it is the root file system", "set `rootfs` for that")
    for own in SYSTEM_MOUNTS:
        if path == own:
            return Fault((), f"cannot mount over {quote(text)}: it is one of the system's own mounts")
        if path.startswith(f"{own}/"):
            return Fault((), f"cannot mount at {quote(text)}: it is below {own}, one of the system's own mounts")
    return check_depth(path) or MountPath(path)


def _count_bytes(text: str) -> int:
    # A file is decoded strictly, but a caller's text may have what UTF-8 cannot write.
    return len(text.encode("utf-8", "surrogatepass"))


def _normalise(path: str) -> str:
    # normpath keeps two slashes at the beginning, which POSIX leaves to the system and Linux takes for one.
    return "/" + posixpath.normpath(path).lstrip("/")


def parse_user(text: str) -> UserName | Fault:
    """``NAME``, ``NAME:GROUP``, ``UID`` or ``UID:GID`` (or one of each); numbers lose leading zeros."""
    parts = text.split(":")
    if len(parts) > 2 or not all(_NUMBER.fullmatch(part) or _USER_PART.fullmatch(part) for part in parts):
        return Fault(
            (), f"{quote(text)} is not a user", 'write a name ("www-data", "www-data:adm") or ids ("1000:1000")'
        )
    ids = [int(part) if _NUMBER.fullmatch(part) else None for part in parts]
    for number in ids:
        if number is not None and number > LARGEST_ID:
            return Fault((), f"the id {number} in {quote(text)} is above {LARGEST_ID}, the largest")
    return UserName(":".join(part if number is None else str(number) for part, number in zip(parts, ids, strict=True)))


def parse_group(text: str) -> GroupName | Fault:
    """``NAME`` or ``GID``; a number loses leading zeros."""
    if _NUMBER.fullmatch(text):
        if int(text) > LARGEST_ID:
            return Fault((), f"the id {quote(text)} is above {LARGEST_ID}, the largest")
        return GroupName(str(int(text)))
    if _USER_PART.fullmatch(text):
        return GroupName(text)
    return Fault((), f"{quote(text)} is not a group", 'write a name ("video") or an id ("44")')


def parse_umask(text: str) -> Umask | Fault:
    """``"0027"``: the bits that new files do not get (umask(2)), in one to four octal digits."""
    match = _OCTAL.fullmatch(text)
    if match is None or int(match[1], 8) > 0o777:
        return Fault((), f"{quote(text)} is not a umask: octal digits, 0777 at most", 'write "0027"')
    if match[1] != text:
        return Fault((), f"{quote(text)} is not a umask", f'write "{int(match[1], 8):04o}"')
    return Umask(int(match[1], 8))


def suggest_umask(_number: object) -> str:
    """The hint for a umask that is a bare number: whether its digits were meant as octal ones cannot be told."""
    return 'write its octal digits in quotes: "0027"'


def parse_mode(text: str) -> FileMode | Fault:
    """``"0750"``: the mode of a file or folder (chmod(2)), in three or four octal digits. Fewer are a fault: they are
    rather a mistake than a mode."""
    match = _OCTAL.fullmatch(text)
    if match is None or len(text) < 3:
        return Fault((), f"{quote(text)} is not a mode: three or four octal digits", 'write "0750"')
    if match[1] != text:
        return Fault((), f"{quote(text)} is not a mode", f'write "{int(match[1], 8):04o}"')
    return FileMode(int(match[1], 8))


def suggest_mode(_number: object) -> str:
    """The hint for a mode that is a bare number: whether its digits were meant as octal ones cannot be told."""
    return 'write its octal digits in quotes: "0750"'


def parse_hostname(text: str) -> HostName | Fault:
    """A host name (hostname(7)): labels of letters, digits and inner ``-``, joined by dots; 64 characters at most."""
    if len(text) > 64:
        return Fault((), f"the host name {quote(text)} has {len(text)} characters, 64 are the most")
    if all(_LABEL.fullmatch(label) for label in text.split(".")):
        return HostName(text)
    close = ".".join(filter(None, (re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-")[:63] for part in text.split("."))))
    return Fault(
        (),
        f"{quote(text)} is not a host name: labels are made of letters, digits and inner '-', 63 at most",
        f"did you mean {quote(close)}?" if close else "",
    )


def parse_env_name(text: str) -> EnvName | Fault:
    """The name of an environment variable (environ(7)): not empty, no ``=``."""
    if not text:
        return Fault((), 'the name of a variable is empty: ""')
    if "=" in text:
        name, _, value = text.partition("=")
        hint = f"write {name} = {quote(value)}" if name and value else ""
        return Fault((), f"the name of a variable contains '=': {quote(text)}", hint)
    return EnvName(text)


def parse_annotation_name(text: str) -> AnnotationName | Fault:
    """The name of an annotation: any text but an empty one (runtime-spec config.md, "Annotations")."""
    return AnnotationName(text) if text else Fault((), 'the name of an annotation is empty: ""')
