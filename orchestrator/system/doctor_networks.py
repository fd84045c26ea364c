"""What `orchestrator doctor` sees of what networks need: CNI's plugins, the programs that they run, and what the kernel
has for them, which is tried in a network namespace that is gone at once. Floor: system."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from orchestrator.model.checkup import NetworksFound

CNI_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
"""Where CNI plugins are unless CNI_PATH says it: where their own project installs them, Debian, and Fedora."""

BRIDGE_PLUGINS = ("bridge", "host-local", "portmap", "firewall")
"""Those that the `bridge` network takes."""

PROGRAMS = ("ip", "iptables")
"""What it runs, or they do."""

TRIALS: Mapping[str, str] = {
    "bridges": "ip link add o0 type bridge",
    "veth pairs": "ip link add o1 type veth peer name o2",
    "address translation": "iptables -t nat -A POSTROUTING -m comment --comment o -j MASQUERADE",
    "translation to local ports": "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j RETURN",
    "port lists": "iptables -A FORWARD -p tcp -m multiport --dports 1,2 -j ACCEPT",
    "marks": "iptables -t nat -A PREROUTING -j MARK --set-xmark 0x2000/0x2000",
    "connection tracking": "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
}
"""What the kernel has to have, and what it refuses where it has not."""

PATIENCE = 20.0
"""Seconds that all trials may take."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def look_at_networks(environ: Mapping[str, str], *, root: bool) -> NetworksFound:
    """Raises nothing that a host can cause. root: whether the kernel may be tried."""
    asked = [folder for folder in environ.get("CNI_PATH", "").split(":") if folder.startswith("/")]
    folders = {folder: _list_programs(folder) for folder in asked or CNI_FOLDERS}
    there = {name for names in folders.values() for name in names}
    missing = tuple(name for name in PROGRAMS if shutil.which(name, path=_PATH) is None)
    return NetworksFound(
        looked=tuple(folders),
        folders=tuple((folder, len(names)) for folder, names in folders.items() if names),
        missing_plugins=tuple(name for name in BRIDGE_PLUGINS if name not in there),
        missing_programs=missing,
        lacking=_try_kernel() if root and not missing else None,
    )


def _list_programs(folder: str) -> tuple[str, ...]:
    try:
        return tuple(entry.name for entry in os.scandir(folder) if os.access(entry.path, os.X_OK) and entry.is_file())
    except OSError:
        return ()


def _try_kernel() -> tuple[str, ...] | None:
    """What the kernel lacks; None where it cannot be tried."""
    unshare = shutil.which("unshare", path=_PATH)
    if unshare is None:
        return None
    script = "".join(f"{command} || echo '{what}' >&3\n" for what, command in TRIALS.items())
    try:
        ran = subprocess.run(
            [unshare, "--net", "sh", "-c", f"exec 3>&1 >/dev/null 2>&1\n{script}exit 0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": _PATH},
            text=True,
            check=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(ran.stdout.splitlines())
