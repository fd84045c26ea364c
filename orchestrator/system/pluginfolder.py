"""Reading the plugins folder of a directory of definitions, as it is at this moment.

What lies there is run with the agent's rights, so it counts only where nobody but root and the agent's user can have
put it there: the file, its folder, and each folder and link on the way. What was looked at is what is loaded, by one
descriptor. Nothing is run here. Floor: system.
"""

import errno
import hashlib
import os
import pwd
import stat

from orchestrator.core.shape import LARGEST_TEXT
from orchestrator.model.pluginfile import FOLDER, PYTHON, SUFFIXES, PluginFile
from orchestrator.system.links import Chain, StepKind, follow_links
from orchestrator.system.sources import is_visible
from orchestrator.system.steps import Steps, finish

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


class _Distrusted(Exception):
    """Somebody else could have written it."""


def read_plugins(directory: str) -> tuple[PluginFile, ...]:
    """All plugins in the folder of ``directory``, sorted by name; none where there is no such folder."""
    return finish(read_plugins_in_steps(directory))


def read_plugins_in_steps(directory: str) -> Steps[tuple[PluginFile, ...]]:
    """The steps of `read_plugins`. Raises nothing: what cannot be read says so itself."""
    path = os.path.join(directory, FOLDER)
    try:
        chain = yield from follow_links(os.path.join(os.getcwd(), path))
        if chain.end is None:
            if chain.errno in (errno.ENOENT, errno.ENOTDIR):
                return ()
            raise OSError(chain.errno, os.strerror(chain.errno))
        yield from _check_way(chain)
        yield chain.end
        names = sorted(name for name in os.listdir(chain.end) if is_visible(name, SUFFIXES))
    except (_Distrusted, OSError) as error:
        return (PluginFile(path, fault=_explain(error)),)
    found = []
    for name in names:
        file = yield from _read_plugin(os.path.join(path, name))
        found += [file] if file is not None else []
    return tuple(found)


def _read_plugin(path: str) -> Steps[PluginFile | None]:
    """One plugin; None where it has vanished meanwhile."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        chain = yield from follow_links(os.path.join(os.getcwd(), path))
        if chain.end is None:
            if chain.errno == errno.ENOENT and not os.path.islink(path):
                return None
            raise OSError(chain.errno, os.strerror(chain.errno))
        yield from _check_way(chain)
        yield chain.end
        digest, code = _load(chain.end)
    except (_Distrusted, OSError) as error:
        return PluginFile(shown, fault=_explain(error))
    return PluginFile(shown, digest, code)


def _check_way(chain: Chain) -> Steps[None]:
    """Each folder and each link that decides where the way leads. In a folder with the sticky bit, as /tmp, nobody
    renames or removes what is another's: there it is who owns the entry that counts. Raises _Distrusted, OSError."""
    for step in chain.steps:
        if step.kind is StepKind.FOLDER or step.kind is StepKind.LINK:
            yield step.path
            status = os.lstat(step.path)
            if step.kind is StepKind.LINK:
                _check_owner(step.path, status)
            elif not status.st_mode & stat.S_ISVTX:
                _check(step.path, status)
            else:
                _check_owner(step.path, status)


def _load(path: str) -> tuple[str, bytes]:
    """The digest of a plugin and, of a Python file, what it says: of the very file that was looked at. Raises
    _Distrusted, OSError."""
    before = os.lstat(path)  # to open a device may do something to it
    _check_regular(before)
    file = os.open(path, _OPEN)
    try:
        status = os.fstat(file)
        _check_regular(status)
        _check(path, status)
        if not path.endswith(PYTHON):
            if not status.st_mode & stat.S_IXUSR:
                raise OSError(errno.EACCES, f"it has mode {_show_mode(status)} and is not executable: chmod +x it")
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            return hashlib.sha256(repr(stamp).encode()).hexdigest(), b""
        code = b""
        while len(code) <= LARGEST_TEXT and (part := os.read(file, LARGEST_TEXT + 1 - len(code))):
            code += part
    finally:
        os.close(file)
    if len(code) > LARGEST_TEXT:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST_TEXT // 1024} KiB, the limit")
    return hashlib.sha256(code).hexdigest(), code


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _check(path: str, status: os.stat_result) -> None:
    _check_owner(path, status)
    if status.st_mode & _WRITABLE:
        owner, mode = _name_user(status.st_uid), _show_mode(status)
        raise _Distrusted(f"{path} of {owner} has mode {mode}, so that others may write to it: chmod go-w it")


def _check_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        us = "root" if os.geteuid() == 0 else f"root or {_name_user(os.geteuid())}"
        mode = _show_mode(status)
        raise _Distrusted(f"{path} of {_name_user(status.st_uid)} (mode {mode}) must belong to {us}")


def _name_user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _show_mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


def _explain(error: Exception) -> str:
    """In one line, lower case where it is the system's."""
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return f"cannot read it: {text[:1].lower()}{text[1:]}"
    return f"it is not loaded: {error}"
