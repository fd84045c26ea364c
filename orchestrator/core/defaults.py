"""The one table of tight defaults: all that a container gets without having asked for it.

Each value is what a program needs to run at all, or takes something away; what a definition asks for is added
elsewhere (`orchestrator.core.resolve`). Floor: core.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator.model.oci import Mount, Namespace

OCI_VERSION = "1.0.2"
"""The runtime-spec that a config.json is written for: the newest that runc 1.1, crun 1.8 and youki all take."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""$PATH where neither the definition nor a plugin sets it."""

ROOT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What uid 0 may do, as podman's default has it (containers.conf(5), default_capabilities). Other users: nothing."""

NAMESPACES = (
    Namespace("pid"),
    Namespace("mount"),
    Namespace("ipc"),
    Namespace("uts"),
    Namespace("cgroup"),
)
"""Every container's own. The cgroup namespace also on cgroup v1 hosts: /sys/fs/cgroup then begins at the container's
own group instead of showing the host's tree."""

NETWORK_NAMESPACE = Namespace("network")
"""Added where a definition names no network: its own, with a loopback only."""

SYSTEM_MOUNTS = (
    Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    Mount("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
    Mount("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    Mount("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    Mount("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    Mount("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)
"""The file systems that the Linux ABI promises (runtime-spec config-linux.md, "Default Filesystems") and /dev/mqueue,
in the order in which they are made."""

SCRATCH_MOUNTS = (
    Mount("/run", "tmpfs", "tmpfs", ("nosuid", "nodev", "noexec", "mode=755", "size=65536k")),
    Mount("/tmp", "tmpfs", "tmpfs", ("nosuid", "nodev", "mode=1777", "size=262144k")),
)
"""Where programs write without asking; for a `host` rootfs, whose root is read-only. They are memory of the container
and count for its limit. Gone with the instance."""

HOST_BIND_OPTIONS = ("bind", "private", "ro", "nosuid", "nodev")
"""How a folder or file of the host is seen in a `host` rootfs. Not ``rbind``: ``ro`` would leave what is mounted
below it writable."""

USR_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""The folders beside /usr that programs, loaders and ``#!`` lines name."""

ETC_FILES = (
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
)
"""The files of the host that a `host` rootfs has in its /etc, where the host has them."""

ETC_FOLDERS = ("/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs", "/etc/ssl/certs")
"""Its certificates, where Debian's and where Fedora's family of hosts keep them."""

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
"""Unreadable inside: they tell of the host, or reach its hardware (podman's and moby's lists together)."""

READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Read-only inside, since uid 0 could change the host's kernel by them."""

DEVICE_RULES: tuple[Mapping[str, Any], ...] = ({"allow": False, "access": "rwm"},)
"""``linux.resources.devices``: none. Runtimes add /dev/null, zero, full, random, urandom, tty, ptmx and the ptys
(runtime-spec config-linux.md, "Default Devices") after it by themselves."""
