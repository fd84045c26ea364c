"""What the stand-in for railcar makes of a config.json: what railcar refuses of it, and what else is runc's to do so
that the container is as railcar would have made it. Imported by the system's Python, so it imports nothing of the
project.
"""

import os
from typing import Any

NAMESPACES = ("mount", "cgroup", "uts", "ipc", "user", "pid", "network")
NEWER = ("CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE")
ACTIONS = tuple(f"SCMP_ACT_{name}" for name in ("KILL", "TRAP", "ERRNO", "TRACE", "ALLOW"))
DEVICES = ("null", "zero", "full", "tty", "urandom", "random")

INIT = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    number = signal.sigwait(signal.valid_signals())
    if number != signal.SIGCHLD:
        os.kill(-1, number)
        continue
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            last = status
    except ChildProcessError:
        code = os.waitstatus_to_exitcode(last)
        os._exit(code if code >= 0 else 128 - code)
"""
"""Its init: goes on until the last process has ended, whose code it takes; a signal to it goes to all."""


class Failed(Exception):
    """What it says of itself, the causes after it."""


def check_config(config: dict[str, Any]) -> None:
    """What serde makes of it, and libseccomp, and mknod(2)."""
    linux, process = config["linux"], config["process"]
    load = "failed to load config.json"
    for namespace in linux["namespaces"]:
        if namespace["type"] not in NAMESPACES:
            raise Failed(load, f"unknown variant {namespace['type']}")
    for names in process["capabilities"].values():
        for name in names:
            if name in NEWER:
                raise Failed(load, f"Capability '{name}' is not valid")
    seccomp = linux.get("seccomp")
    if seccomp:
        for action in (seccomp["defaultAction"], *(rule["action"] for rule in seccomp.get("syscalls", []))):
            if action not in ACTIONS:
                raise Failed(load, f"unknown variant {action}")
        for rule in seccomp.get("syscalls", []):
            if rule["action"] == seccomp["defaultAction"]:
                raise Failed(f"seccomp error: 'failed to add rule for {rule['names'][0]}'")
            indexes = [condition["index"] for condition in rule.get("args", [])]
            if len(set(indexes)) < len(indexes):
                raise Failed(f"seccomp error: 'failed to add rule for {rule['names'][0]}'")
    for mount in config.get("mounts", []):
        if ".." in mount["destination"]:
            raise Failed("failed to init rootfs", f"invalid spec: 'invalid mount destination: {mount['destination']}'")
        if mount["type"] == "bind" and not os.path.exists(mount["source"]):
            raise Failed("failed to init rootfs", "ENOENT: No such file or directory")
    for device in linux.get("devices", []):
        if device["path"] in [f"/dev/{name}" for name in DEVICES]:
            raise Failed("failed to init rootfs", "EEXIST: File exists")
    if not linux["cgroupsPath"].startswith("/"):
        raise Failed("invalid spec: 'cgroup path must be absolute'")
    if "weight" in linux.get("resources", {}).get("blockIO", {}) and not os.path.exists(
        f"{find_mounts()['blkio']}/blkio.weight"
    ):
        raise Failed("EACCES: Permission denied")
    cwd = process.get("cwd", "/")
    on = [mount["destination"].rstrip("/") for mount in config.get("mounts", [])]
    there = os.path.isdir(config["root"]["path"] + cwd)
    if not there and not any(f"{cwd}/".startswith(f"{point}/") for point in on):
        raise Failed("ENOENT: No such file or directory")


def translate(config: dict[str, Any], init: bool) -> dict[str, Any]:
    """What runc is to do so that the container is as railcar would make it."""
    linux, process = config["linux"], config["process"]
    user = {"uid": process["user"].get("uid", 0), "gid": process["user"].get("gid", 0), "umask": 0o022}
    # Without a list the caller's groups stay.
    user["additionalGids"] = process["user"].get("additionalGids") or os.getgroups()
    # The command is looked for when it is started: a shell does so too.
    args = ["/bin/sh", "-c", 'exec "$0" "$@"', *process["args"]]
    capabilities = {name: list(held) for name, held in process["capabilities"].items()}
    # Of those that are newer than it is none is dropped.
    capabilities["bounding"] += NEWER
    seccomp = linux.get("seccomp")
    if seccomp:
        # One error number, EPERM.
        rules = [
            {key: value for key, value in rule.items() if key != "errnoRet"} for rule in seccomp.get("syscalls", [])
        ]
        seccomp = {**seccomp, "syscalls": rules}
        seccomp.pop("defaultErrnoRet", None)
    root, hostname = config["root"], config.get("hostname", "")
    return {
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "process": {
            **{key: value for key, value in process.items() if key not in ("oomScoreAdj", "apparmorProfile")},
            "user": user,
            "args": ["/usr/bin/python3", "-c", INIT, *args] if init else args,
            "capabilities": capabilities,
        },
        "root": root,
        "mounts": [translate_mount(mount, linux) for mount in config.get("mounts", [])],
        "linux": {
            "namespaces": list(linux["namespaces"]),
            "resources": {key: value for key, value in linux.get("resources", {}).items() if key != "unified"},
            "devices": linux.get("devices", []),
            # A folder cannot have a file mounted on it, which is taken for its not being there.
            "maskedPaths": [path for path in linux.get("maskedPaths", []) if not os.path.isdir(path)],
            "readonlyPaths": linux.get("readonlyPaths", []),
            **({"seccomp": seccomp} if seccomp else {}),
        },
    }


def translate_mount(mount: dict[str, Any], linux: dict[str, Any]) -> dict[str, Any]:
    """What is mounted propagates as the root does, whatever its options say; of what is below it nothing is
    read-only."""
    options = [name for name in mount.get("options", []) if name != "rro" and "private" not in name]
    if mount["type"] == "bind":
        options.append("rprivate" if linux.get("rootfsPropagation") == "private" else "rslave")
    return {**mount, "options": options}


def find_mounts() -> dict[str, Any]:
    """Mount points by controller; only those of lines with exactly one optional field, that is shared ones."""
    found = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split()
            if kind == "cgroup" and len(before.split(" ")) == 7:
                for name in options.split(","):
                    found[name] = before.split(" ")[4]
    return found


def find_group(path: str) -> str:
    """Below the group that it is in itself. Its cpuset is filled from its parent's, and that of nobody else."""
    mounts = find_mounts()
    if "cpuset" not in mounts:
        # Its process cannot be found then, so the first one takes itself for it.
        raise Failed("the stand-in ends here: railcar would go on as if it were the container")
    with open("/proc/self/cgroup") as file:
        own = {name: line.rstrip("\n").split(":", 2)[2] for line in file for name in line.split(":")[1].split(",")}
    path = max((own[name] for name in mounts if name in own), key=len).rstrip("/") + path
    parent = os.path.dirname(mounts["cpuset"] + path)
    os.makedirs(parent, exist_ok=True)
    with open(f"{parent}/cpuset.cpus") as file:
        if not file.read().strip():
            raise Failed("ENOSPC: No space left on device")
    return path
