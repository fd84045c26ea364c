"""The types of options that are more than a string or a number: what each holds, and how a file writes it.

Text becomes one of them in `orchestrator.core.values`. Floor: model.
"""

from typing import NewType

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,62}"
"""What a container may be called: the name of its file without the suffix."""

Duration = NewType("Duration", float)
"""Seconds. In a file: ``"1m30s"``, ``"100ms"``; units ms, s, m, h, d, largest first. A bare number is a problem."""

Size = NewType("Size", int)
"""Bytes. In a file: ``"256M"`` (K, M, G, T are powers of 1024, an optional ``iB`` may follow) or a bare integer."""

SignalName = NewType("SignalName", str)
"""A signal as kill(1) names it, kept with its prefix: ``"SIGTERM"``; ``"TERM"`` may be written."""

AbsolutePath = NewType("AbsolutePath", str)
"""A path that begins with ``/`` and has no ``..``; kept normalised (no ``//``, no ``.``, no slash at its end)."""

MountPath = NewType("MountPath", str)
"""A destination of a mount: an `AbsolutePath` that is not ``/`` and not over or below the system's own mounts."""

UserName = NewType("UserName", str)
"""``NAME``, ``NAME:GROUP``, ``UID`` or ``UID:GID``; names are looked up in the root file system."""

GroupName = NewType("GroupName", str)
"""``NAME`` or ``GID``; names are looked up in the root file system."""

HostName = NewType("HostName", str)
"""A host name as hostname(7) has it: labels of letters, digits and ``-``, joined by dots, 64 characters at most."""

EnvName = NewType("EnvName", str)
"""The name of an environment variable: no ``=`` and no NUL, not empty."""

AnnotationName = NewType("AnnotationName", str)
"""The name of an annotation: not empty (runtime-spec config.md, "Annotations")."""

Umask = NewType("Umask", int)
"""A umask(2), 0 to 0o777. In a file: a string of octal digits, ``"0027"``."""

FileMode = NewType("FileMode", int)
"""The mode of a file or folder, 0 to 0o7777 (chmod(2)). In a file: a string of octal digits, ``"0750"``."""

SocketAddress = NewType("SocketAddress", str)
"""Where a socket listens. In a file: ``"127.0.0.1:80"``, ``"[::1]:80"``, ``"80"`` or ``"*:80"`` for all addresses, or
an absolute path. Kept as ``HOST:PORT`` with the host an IP address (version 6 in brackets) or ``*``, or as the path."""

SocketName = NewType("SocketName", str)
"""What a socket is called in LISTEN_FDNAMES (sd_listen_fds(3)): letters, digits, ``.``, ``_`` and ``-``."""

Capability = NewType("Capability", str)
"""A capability as capabilities(7) names it, kept with its prefix: ``"CAP_NET_ADMIN"``; ``"NET_ADMIN"`` may be
written, and ``"ALL"`` for all that can be given."""

RlimitName = NewType("RlimitName", str)
"""A limit as getrlimit(2) names it, in lower case and without its prefix: ``"nofile"``."""

RlimitValue = NewType("RlimitValue", int)
"""A limit of getrlimit(2), from 0; RLIM_INFINITY is written ``"unlimited"`` and kept as 2^64 - 1."""

DeviceName = NewType("DeviceName", str)
"""An `AbsolutePath`, or the name of a CDI device, ``vendor.com/class=device``."""

DeviceAccess = NewType("DeviceAccess", str)
"""What may be done with a device: some of ``r``, ``w`` and ``m`` (make), each once."""

SeccompChoice = NewType("SeccompChoice", str)
"""``"default"``, ``"unconfined"`` or the absolute path of a profile (containers-seccomp.json(5))."""

ContainerName = NewType("ContainerName", str)
"""The name of a container, as `NAME_PATTERN` has it."""

UrlPath = NewType("UrlPath", str)
"""The path and query of a request as RFC 9112 has it (origin-form): begins with ``/``, printable ASCII, no space."""

ProbeHost = NewType("ProbeHost", str)
"""An IP address, version 4 or 6, or ``localhost``, which is kept as ``127.0.0.1``."""
