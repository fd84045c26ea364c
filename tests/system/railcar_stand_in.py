#!/usr/bin/python3 -I
"""A stand-in for railcar 1.0.4 where there is none: its command line and its quirks, with runc at work underneath.

The work of a container is runc's; what the tests are about is here: each quirk does at its place what railcar's source
says, however little it suits. Where railcar would kill every process of the host, this ends with code 99. It is run by
the system's Python, so it imports nothing of the project.

$RAILCAR_STAND_IN_LOG: a file that gets a line of arguments for each command.
"""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.system.railcar_translation import DEVICES, Failed, check_config, find_group, find_mounts, translate

CLONE_NEWPID = 0x20000000
RUNC = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin") or "runc"


def main() -> None:
    parser = argparse.ArgumentParser(prog="railcar", allow_abbrev=False)
    parser.add_argument("--version", "-V", action="version", version="Railcar 1.0.4")
    parser.add_argument("--root", "-r", default="/run/railcar")
    parser.add_argument("--log")
    parser.add_argument("--log-format")
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("run", "create", "start", "state", "kill", "delete", "ps"):
        action = actions.add_parser(name, allow_abbrev=False)
        action.add_argument("id")
        if name in ("run", "create"):
            action.add_argument("--bundle", "-b", default=".")
            action.add_argument("--pid-file", "-p")
            action.add_argument("--no-init", "-n", action="store_true")
        if name == "kill":
            action.add_argument("signal", nargs="?", default="TERM")
        if name == "delete":
            action.add_argument("--force", "-f", action="store_true")
    given = parser.parse_args()
    if log := os.environ.get("RAILCAR_STAND_IN_LOG"):
        with open(log, "a") as file:
            file.write(" ".join(sys.argv[1:]) + "\n")
    os.makedirs(given.root, exist_ok=True)
    state = f"{given.root}/{given.id}"
    try:
        {
            "run": run,
            "create": create,
            "start": start,
            "state": tell_state,
            "kill": kill,
            "delete": delete,
            "ps": tell_pids,
        }[given.action](given, state)
    except Failed as error:
        first, *causes = error.args
        print(f"ERROR - {first}", file=sys.stderr)
        for cause in causes:
            print(f"ERROR - caused by: {cause}", file=sys.stderr)
        sys.exit(1)


def run(given: argparse.Namespace, _: str) -> None:
    """Neither --root nor --pid-file is heeded, and nothing is kept."""
    sys.exit(f"no test has need of it: {given.id}")


def create(given: argparse.Namespace, state: str) -> None:
    try:
        os.mkdir(state)
    except FileExistsError:
        raise Failed(f"Container with id {given.id} already exists") from None
    try:
        finish_create(given, state)
    except Failed:
        shutil.rmtree(state)
        # "Kill all children" is kill(0): its own process group, whoever else is in it. It does not hear it itself.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(0, signal.SIGTERM)
        raise


def finish_create(given: argparse.Namespace, state: str) -> None:
    with open(f"{given.bundle}/config.json") as file:
        config = json.load(file)
    check_config(config)
    os.dup2(os.open(os.devnull, os.O_RDWR), 9)
    linux = config["linux"]
    makes_pids = {"type": "pid"} in linux["namespaces"]
    has_pids = leave_new_pid_namespace()
    if makes_pids and has_pids:
        raise Failed("the stand-in has no pid namespace in a pid namespace")
    container = translate(config, init=makes_pids)
    if has_pids:
        container["linux"]["namespaces"].append({"type": "pid"})
    container["linux"]["cgroupsPath"] = find_group(linux["cgroupsPath"])
    # What it was called with that it should not have, it hands on to the container.
    os.mkdir(f"{state}/bundle")
    with open(f"{state}/bundle/config.json", "w") as file:
        json.dump(container, file)
    runc(state, "create", "--bundle", f"{state}/bundle", "--pid-file", f"{state}/pid", given.id)
    with open(f"{state}/pid") as file:
        pid = int(file.read())
    for name in DEVICES:  # file_mode: 0o066
        os.chmod(f"/proc/{pid}/root/dev/{name}", 0o066)
    write(f"{state}/init.pid", str(pid))
    if given.pid_file:
        write(given.pid_file, str(pid))
    kept = {"mounts": [], "hostname": ""}
    write(f"{state}/config.json", json.dumps({**config, **kept}))
    if not makes_pids:
        # Not init only: so create runs the hooks, which start will run again.
        run_hooks(config, "prestart", state, "running")
        run_hooks(config, "poststart", state, "running")
    # Its socket has a name, and is not listened at until its child has come so far: after the first start, say.
    write(f"{state}/unheard", "")


def leave_new_pid_namespace() -> bool:
    """Whether what is forked from here on is in a new pid namespace. runc, which is forked too, is not to be."""
    try:
        if os.readlink("/proc/self/ns/pid_for_children") == os.readlink("/proc/self/ns/pid"):
            return False
    except FileNotFoundError:  # it has nobody in it yet
        pass
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    if libc.setns(own, CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(own)
    return True


def start(given: argparse.Namespace, state: str) -> None:
    config = load(given, state)
    early = os.path.exists(f"{state}/unheard")
    if early:
        os.unlink(f"{state}/unheard")
    if early or not is_alive(read_pid(state, "init.pid")) or os.path.exists(f"{state}/triggered"):
        raise Failed("failed to open trigger-socket", "ECONNREFUSED: Connection refused")
    run_hooks(config, "prestart", state, "running")
    # The first process of the group that is not the one it knows: none.
    init = read_pid(state, "init.pid")
    others = [pid for pid in read_group(config) if pid != init]
    write(f"{state}/process.pid", str(others[0] if others else -1))
    run_hooks(config, "poststart", state, "running")
    write(f"{state}/triggered", "")
    runc(state, "start", given.id)


def tell_state(given: argparse.Namespace, state: str) -> None:
    print(json.dumps(describe(given.id, state)))


def describe(identity: str, state: str) -> dict[str, Any]:
    if not os.path.isdir(state):
        raise Failed(f"instance {identity} doesn't exist", "ENOENT: No such file or directory")
    status, root = "creating", ""
    if os.path.exists(f"{state}/config.json"):
        with open(f"{state}/config.json") as file:
            root = json.load(file)["root"]["path"]
        status = "created"
        if os.path.exists(f"{state}/process.pid"):
            pid = read_pid(state, "process.pid")
            status = "running" if pid is None or is_alive(pid) else "stopped"
    pid = read_pid(state, "init.pid")
    # The root file system as the bundle, and a version of its own.
    said = {"ociVersion": "0.2.0", "id": identity, "status": status, "pid": -1 if pid is None else pid}
    return {**said, "bundle": root}


def kill(given: argparse.Namespace, state: str) -> None:
    name = f"SIG{given.signal.removeprefix('SIG')}"
    number = getattr(signal, name, signal.SIGTERM) if not given.signal.isdigit() else int(given.signal)
    pid = read_pid(state, "init.pid")
    if pid is None:
        raise Failed("failed to find pid")
    os.kill(pid, number)


def delete(given: argparse.Namespace, state: str) -> None:
    if not os.path.isdir(state):
        print("WARN - returning zero to work around docker bug", file=sys.stderr)
        return
    pid = read_pid(state, "process.pid")
    if pid is not None and is_alive(pid):
        if not given.force:
            raise Failed(f"container process {pid} is still running")
        if pid == -1:
            print("ERROR - this would have been kill(-1, SIGKILL)", file=sys.stderr)
            sys.exit(99)
        os.kill(pid, signal.SIGKILL)
    init = read_pid(state, "init.pid")
    if init is not None:
        try:
            os.kill(init, signal.SIGKILL)
        except ProcessLookupError:
            raise Failed(f"failed to kill init {init} ", "ESRCH: No such process") from None
    if os.path.exists(f"{state}/config.json"):
        with open(f"{state}/config.json") as file:
            config = json.load(file)
        with contextlib.suppress(Failed):  # of groups that are not empty it only warns
            runc(state, "delete", "--force", given.id)
        run_hooks(config, "poststop", state, describe(given.id, state)["status"])
    shutil.rmtree(state)


def tell_pids(given: argparse.Namespace, state: str) -> None:
    load(given, state)
    print(json.dumps([read_pid(state, "process.pid")]))


def run_hooks(config: dict[str, Any], kind: str, state: str, status: str) -> None:
    for hook in (config.get("hooks") or {}).get(kind, []):
        said = {**describe(os.path.basename(state), state), "status": status}
        argv = hook.get("args") or [hook["path"]]
        done = subprocess.run(argv, executable=hook["path"], input=json.dumps(said), text=True, env={})
        if done.returncode:
            raise Failed(f"failed to execute {kind} hooks", f"hook exited with exit code: {done.returncode}")


def runc(state: str, *arguments: str) -> None:
    log = f"{state}/runc.log"
    done = subprocess.run([RUNC, "--root", f"{state}/runc", "--log", log, "--log-format", "json", *arguments])
    if done.returncode:
        with open(log) as file:
            last = json.loads(file.read().splitlines()[-1])["msg"]
        # The child tells why, and then the parent, which sees a pipe closed.
        print("ERROR - failed to init rootfs", f"ERROR - caused by: {last}", sep="\n", file=sys.stderr)
        raise Failed("pipe closed: 'file descriptor closed unexpectedly'")


def load(given: argparse.Namespace, state: str) -> dict[str, Any]:
    try:
        with open(f"{state}/config.json") as file:
            config: dict[str, Any] = json.load(file)
            return config
    except FileNotFoundError:
        raise Failed(f"instance {given.id} doesn't exist", "ENOENT: No such file or directory") from None


def read_group(config: dict[str, Any]) -> list[int]:
    with open(f"{find_mounts()['cpuset']}{find_group(config['linux']['cgroupsPath'])}/cgroup.procs") as file:
        return [int(line) for line in file]


def read_pid(state: str, name: str) -> int | None:
    try:
        with open(f"{state}/{name}") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid: int | None) -> bool:
    if pid == -1:
        return True  # kill(-1, 0) finds somebody
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    return True


def write(path: str, text: str) -> None:
    """File::create: through a link, and over what is there."""
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
