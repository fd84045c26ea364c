"""railcar 1.0.4 as a runtime, https://github.com/oracle/railcar: what it does otherwise than the rest is made good.

- Its ``create`` makes an init of its own as process 1, whatever ``-n`` says; that one goes on until all of the
  container has ended, with the code of whichever came last, and hands signals to all. Where the pid namespace is made
  before it and not by it, the application is process 1. But then ``start`` notes -1 as the application, and a ``delete
  --force`` by that note would kill every process of the host: what it notes goes to /dev/null.
- It makes control groups below the one that it is in, finds those only whose mounts are shared, and leaves the parent's
  cpuset empty.
- ``delete`` kills the process with the number that was noted, whoever that is by now, and fails where there is none.
- ``create`` returns a moment before ``start`` is heard. Hooks of the one are run by the other too.
- Why it failed it writes to standard error: a failed ``create`` to the container's log, and where that is the journal
  or nothing the reason is not in the message.

No command of it is given the name of a signal: it takes SIGTERM for one that it does not know. Floor: system.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from orchestrator.core.lacking import RAILCAR
from orchestrator.model.bundle import Instance
from orchestrator.model.cgroups import CgroupDriver
from orchestrator.ports import RuntimeFailed, RuntimeStatus
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.files import write_atomic
from orchestrator.system.hierarchies import Hierarchy
from orchestrator.system.leftovers import COMMAND_PATIENCE, end_commands, find_commands, watch_processes
from orchestrator.system.limitfiles import write_limits
from orchestrator.system.process import PidfdProcess
from orchestrator.system.railcar_config import adapt_config, find_refusals
from orchestrator.system.railcar_rootfs import check_command, find_writable, make_folder, mend_devices, place_mounts
from orchestrator.system.reaper import Children
from orchestrator.system.runtime import DELETE_DEADLINE, START_DEADLINE, OciRuntime
from orchestrator.system.runtime_command import RuntimeProgram, failing, is_there
from orchestrator.system.runtime_output import clean_message
from orchestrator.system.unmount import unmount_below

LISTEN_PATIENCE = 5.0
"""Seconds after which a container that cannot be told to start is taken for dead."""

_NOBODY = 2**31 - 1
"""A number that no process can have (PID_MAX_LIMIT is below)."""
_ERROR = "ERROR - "
_CAUSE = "ERROR - caused by: "
_NOT_HEARD = re.compile(r"\bECONNREFUSED\b")
_SHARES = 'mount --make-rprivate "$0" && mount --make-rshared "$0" && exec "$@"'


class RailcarProgram(RuntimeProgram):
    """Its command line."""

    def compose(self, action: str, log: str | None) -> tuple[str, ...]:
        """Without ``--log``, which it ignores. util-linux's unshare(1) becomes it, and only what it forks is in the new
        pid namespace."""
        first = (_find_unshare(), "--pid") if action == "create" else ()
        return (*self.wrapper, *first, self.command, "--root", self.root, action)

    def find_message(self, log: str, said: str) -> str:
        """Its first error with the causes: what follows is of its parent, which has seen it fail. Between may stand
        what the container has written."""
        lines = said.splitlines()
        begin = next((number for number, line in enumerate(lines) if line.startswith(_ERROR)), None)
        if begin is None:
            return clean_message(lines[-1] if lines else "")
        parts = [lines[begin].removeprefix(_ERROR)]
        for line in lines[begin + 1 :]:
            if not line.startswith(_CAUSE):
                break
            parts.append(line.removeprefix(_CAUSE))
        return clean_message(": ".join(parts))


class RailcarRuntime(OciRuntime):
    """railcar. Implements `orchestrator.ports.Runtime`."""

    program_type = RailcarProgram

    def __init__(
        self,
        name: str,
        command: str,
        root: str,
        children: Children,
        cgroups: Cgroups,
        wrapper: tuple[str, ...] = (),
        *,
        version: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """As `OciRuntime` has it. It makes control groups by itself and never by systemd."""
        wrapper = (*show_cgroups(cgroups.hierarchies), *wrapper)
        super().__init__(name, command, root, children, cgroups, wrapper, version=version, environ=environ)

    async def _create(self, instance: Instance, output: int, descriptors: Sequence[int]) -> PidfdProcess:
        config = _read(f"{instance.folder}/config.json")
        for refusal in find_refusals(config):
            raise RuntimeFailed(f"cannot create container {instance.id}: {self.name}: {refusal}")
        _prepare(config, instance)
        _make_parent(instance.cgroups_path, self._cgroups.hierarchies)
        process = await super()._create(instance, output, descriptors)
        # No await from here on: see there.
        try:
            _finish(config, instance, process.pid, f"{self.root}/{instance.id}")
            write_limits(instance.cgroups_path, _weights(config), self._cgroups.hierarchies)
        except BaseException:
            process.close()
            raise
        return process

    async def start(self, instance_id: str, folder: str) -> None:
        """See `OciRuntime`. What it notes as the application is its process 1, and nothing before it has begun."""
        state = f"{self.root}/{instance_id}"
        noted = f"{state}/process.pid"
        with trio.CancelScope(shield=True), failing(f"cannot start container {instance_id}"):
            async with self._starts:
                if is_there(state):
                    os.symlink(os.devnull, noted)
                try:
                    await self._trigger(instance_id, folder)
                except (RuntimeFailed, OSError):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(noted)
                    raise
                write_atomic(noted, _read_number(f"{state}/init.pid"))

    async def _trigger(self, instance_id: str, folder: str) -> None:
        """``start``, again and again until it is heard."""
        deadline = trio.current_time() + LISTEN_PATIENCE
        pause = 0.005
        while True:
            try:
                return await self._program.run("start", instance_id, folder, (instance_id,), START_DEADLINE)
            except RuntimeFailed as error:
                if not _NOT_HEARD.search(str(error)) or trio.current_time() >= deadline:
                    raise
            await trio.sleep(pause)
            pause = min(pause * 2, 0.2)

    async def query(self, instance_id: str) -> RuntimeStatus | None:
        """See `OciRuntime`. Where an agent was killed in the middle of a start, what runs tells whether it has begun:
        until then its command line is that of the create."""
        status = await super().query(instance_id)
        if status is None or status.status == "stopped":
            return status and RuntimeStatus(status.status, 0)
        if _is_link(f"{self.root}/{instance_id}/process.pid") and status.pid in find_commands(self.root, instance_id):
            return RuntimeStatus("created", status.pid)
        return status

    async def _await_commands(self, instance_id: str) -> None:
        """See `OciRuntime`. What waits to be started has the command line of its create, and is none."""

        def find() -> list[int]:
            with contextlib.suppress(FileNotFoundError):
                waiting = _read_number(f"{self.root}/{instance_id}/init.pid")
                return [pid for pid in find_commands(self.root, instance_id) if str(pid).encode() != waiting]
            return find_commands(self.root, instance_id)

        with watch_processes(find()) as pidfds, trio.move_on_after(COMMAND_PATIENCE):
            for pidfd in pidfds:
                await trio.lowlevel.wait_readable(pidfd)
            return
        await end_commands(self.root, instance_id, "")

    async def _update(self, instance_id: str, folder: str, cgroups_path: str, rendered: bytes) -> None:
        """It has no ``update``, so the files are written without it."""
        write_limits(cgroups_path, json.loads(rendered), self._cgroups.hierarchies)

    async def _delete(self, instance_id: str, folder: str, state: str) -> None:
        """``delete``, for the hooks that it runs; with nobody noted whom it could kill."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{state}/init.pid")
        write_atomic(f"{state}/process.pid", str(_NOBODY).encode())
        with contextlib.suppress(RuntimeFailed):
            await self._program.run("delete", instance_id, folder, (instance_id,), DELETE_DEADLINE)
        await self._delete_by_force(instance_id, folder, state)

    async def _delete_by_force(self, instance_id: str, folder: str, state: str) -> None:
        """Never by ``--force``. It says of an id that it does not know that all is well, so the folder tells."""
        if is_there(state):
            unmount_below(state)
            shutil.rmtree(state)


def make_runtime(
    name: str,
    command: str,
    root: str,
    children: Children,
    cgroups: Cgroups,
    wrapper: tuple[str, ...] = (),
    *,
    version: str = "",
    environ: Mapping[str, str] | None = None,
    driver: CgroupDriver = CgroupDriver.CGROUPFS,
) -> OciRuntime:
    """The runtime of that name, as `OciRuntime` has the rest."""
    if name == RAILCAR:
        return RailcarRuntime(name, command, root, children, cgroups, wrapper, version=version, environ=environ)
    return OciRuntime(name, command, root, children, cgroups, wrapper, version=version, environ=environ, driver=driver)


def find_obstacle(name: str, hierarchies: Iterable[Hierarchy]) -> str:
    """Why a runtime of that name must not even be tried on this host; "" if it may. Without a cpuset of v1 railcar does
    not find the process that it has made, and goes on as if it were that itself: as root, in the host's namespaces."""
    if name != RAILCAR:
        return ""
    if not any(each.version == 1 and "cpuset" in each.controllers for each in hierarchies):
        return "it knows control groups of version 1 only, and this host has no cpuset of that version"
    return "" if os.access(_find_unshare(), os.X_OK) else "it is run by unshare, of util-linux, which is not installed"


def show_cgroups(hierarchies: Iterable[Hierarchy]) -> tuple[str, ...]:
    """A command that is put before railcar, so that it sees the control groups where they are: it adds the paths of its
    own to theirs, so its own must be the root, and skips mounts that are not shared."""
    points = [each.mount_point for each in hierarchies if each.version == 1]
    shared = (_find_unshare(), "--cgroup", "--mount", "--propagation", "unchanged", "sh", "-c", _SHARES)
    return (*shared, os.path.commonpath(points)) if points else ()


def _find_unshare() -> str:
    return shutil.which("unshare") or "/usr/bin/unshare"


def _prepare(config: dict[str, Any], instance: Instance) -> None:
    """Write the config.json that railcar is to read, and make what it does not. Raises RuntimeFailed, OSError."""
    masked = config["linux"].get("maskedPaths") or []
    adapted = adapt_config(config, [path for path in masked if os.path.isdir(path)])
    for source in find_writable(adapted["mounts"]):
        what = f"cannot create container {instance.id}: {RAILCAR}"
        raise RuntimeFailed(f"{what}: it cannot make read-only what is mounted below {source}")
    make_folder(config["process"].get("cwd", "/"), adapted["mounts"], instance.rootfs)
    adapted["mounts"] = place_mounts(adapted["mounts"], instance.rootfs)
    write_atomic(f"{instance.folder}/config.json", json.dumps(adapted).encode())


def _finish(config: dict[str, Any], instance: Instance, pid: int, state: str) -> None:
    """What is left to do between create and start. Raises RuntimeFailed, OSError."""
    root = f"/proc/{pid}/root"
    mend_devices(root)
    try:
        check_command(config["process"], root)
    except OSError as error:
        what = f"cannot create container {instance.id}: {RAILCAR}"
        raise RuntimeFailed(f"{what}: {config['process']['args'][0]}: {error.strerror}") from error
    if config.get("hooks"):
        noted = _read(f"{state}/config.json")
        write_atomic(f"{state}/config.json", json.dumps({**noted, "hooks": config["hooks"]}).encode())


def _weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `adapt_config` has left out of ``linux.resources``."""
    weight = (config["linux"].get("resources") or {}).get("blockIO", {}).get("weight")
    return {} if weight is None else {"blockIO": {"weight": weight}}


def _make_parent(path: str, hierarchies: Iterable[Hierarchy]) -> None:
    """The groups above ``path`` in the hierarchy of cpuset, with what those above them have: in one that has nothing no
    process can be, and railcar fills the last only. Raises OSError."""
    names = path.split("/")[1:-1]
    for hierarchy in hierarchies:
        if hierarchy.version != 1 or "cpuset" not in hierarchy.controllers:
            continue
        folder = Path(hierarchy.mount_point)
        for name in names:
            above, folder = folder, folder / name
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not (folder / file).read_text().strip():
                    (folder / file).write_text((above / file).read_text())


def _read(path: str) -> dict[str, Any]:
    """A file of JSON. Raises RuntimeFailed where it is not."""
    try:
        found: dict[str, Any] = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise RuntimeFailed(f"{path} is not JSON") from error
    return found


def _is_link(path: str) -> bool:
    return os.path.islink(path)


def _read_number(path: str) -> bytes:
    return Path(path).read_bytes().strip()
