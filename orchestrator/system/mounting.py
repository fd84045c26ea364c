"""mount(2) with the options of mount(8), whole or not at all. Floor: system."""

import ctypes
import os
from collections.abc import Sequence

from orchestrator.core.mount_options import BIND, REMOUNT, read_mount_options

_MNT_DETACH = 2
"""umount2(2): take it out of the tree now, whoever uses it still."""


def mount(source: str, target: str, kind: str, options: Sequence[str]) -> None:
    """Mount it; only words of propagation and no ``kind`` change what is mounted there.

    A bind mount gets its own flags, as ``ro``, by a second call, which the first would ignore. What fails half-way is
    taken away again. Raises OSError, ValueError for options that cannot be.
    """
    wanted = read_mount_options(options)
    if not wanted.flags and not kind and wanted.propagation:
        _call("", target, "", wanted.propagation)
        return
    _call(source, target, kind, wanted.flags, wanted.data)
    try:
        if wanted.binds and wanted.of_mount:
            _call("", target, "", REMOUNT | BIND | wanted.of_mount)
        if wanted.propagation:
            _call("", target, "", wanted.propagation)
    except OSError:
        if not wanted.remounts:
            ctypes.CDLL(None).umount2(os.fsencode(target), _MNT_DETACH)
        raise


def _call(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    what, where, text = os.fsencode(source), os.fsencode(target), os.fsencode(data)
    if libc.mount(what, where, kind.encode(), ctypes.c_ulong(flags), text):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
