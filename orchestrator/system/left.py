"""What an earlier agent has left, as far as this host shows it: its state files, and what can be seen of a container
that none of them tells of. What follows from it is left to `orchestrator.tasks.takeover`. Floor: system.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from attrs import frozen

from orchestrator.model.cgroups import InstanceGroups, Scope
from orchestrator.model.layout import Layout
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, NameState, Step
from orchestrator.ports import OutsideError, Runtime
from orchestrator.system.disk import HostDisk
from orchestrator.system.procstat import read_start_time
from orchestrator.system.states import read_boot_id, read_instances, read_names


@frozen
class Files:
    """The state files that are whole. ``folders`` are the ids that have a folder or a damaged file."""

    instances: tuple[InstanceState, ...]
    names: tuple[NameState, ...]
    folders: tuple[str, ...]


def read_files(layout: Layout, disk: HostDisk, say: Callable[[str], None]) -> Files:
    """Read them; a damaged one is set aside and told of. Raises DiskFailed if a folder cannot be read."""
    instances, names = read_instances(layout), read_names(layout)
    for damaged in (*instances.damaged, *names.damaged):
        try:
            say(f"{damaged}; moved to {disk.set_aside(damaged.file)}")
        except OutsideError as error:
            say(f"{damaged}; {error}")
    folders = (*disk.list_strays(), *(damaged.name for damaged in instances.damaged))
    return Files(instances.states, names.states, folders)


def observe_instance(
    identity: str, pid: int, layout: Layout, groups: InstanceGroups, runtime: Runtime
) -> InstanceState:
    """An instance that runs, as one sees it of whom nothing that was written down can be read: its folder and its first
    process. What cannot be seen is at its default; its bundle is empty where that is not known either.

    An id is the name and a token (`orchestrator.tasks.instance`): without a name it is none of ours.
    """
    name = identity.rpartition("-")[0]
    config = _read_config(f"{layout.instance(identity)}/config.json")
    return InstanceState(
        name=name,
        instance=identity,
        bundle=_read_digest(layout.made_from(identity)),
        runtime=runtime.command,
        root=runtime.root,
        folder=layout.instance(identity),
        rootfs=_find_text(config, "root", "path") or layout.root(identity),
        cgroups_path=_find_group(_find_text(config, "linux", "cgroupsPath")) or groups.path(identity),
        log=layout.log(name),
        step=Step.RUNNING,
        created_at=_began_at(pid),
        resources=Resources(),
        limits_known=False,
        policy=Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop()),
        boot=read_boot_id(),
    )


def _read_digest(link: str) -> str:
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""


def _read_config(path: str) -> object:
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def _find_text(config: object, *keys: str) -> str:
    found: Any = config
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _find_group(cgroups_path: str) -> str:
    """The control group that ``linux.cgroupsPath`` means, see `orchestrator.model.cgroups`."""
    match cgroups_path.split(":"):
        case [_, prefix, instance]:
            return Scope(prefix, instance).path
        case [path]:
            return path
    return ""


def _began_at(pid: int) -> float:
    """When a process began, epoch seconds; now where it is gone."""
    ticks = read_start_time(pid)
    if ticks is None:
        return time.time()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age
