"""Choosing the OCI runtime: the first that makes a small container run here, not the first on PATH.

A runtime that is installed may still refuse this host (crun 1.8 does, where both versions of cgroups are mounted), so
each candidate creates, starts and removes one. Floor: system.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from orchestrator.core.lacking import RAILCAR
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.cgroups import CgroupDriver, InstanceGroups
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot
from orchestrator.model.types import Size
from orchestrator.ports import DiskFailed, OutsideError, RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.controllers import find_controllers
from orchestrator.system.held import read_limits
from orchestrator.system.process import PidfdProcess
from orchestrator.system.railcar import find_obstacle, make_runtime
from orchestrator.system.reaper import Children
from orchestrator.system.runtime import OciRuntime
from orchestrator.system.runtime_output import clean_message, open_scratch, read_from
from orchestrator.system.spawn import clean_environment, run_command

CANDIDATES = ("crun", "runc", "youki")
"""What ``auto`` tries, in this order: the fastest first. Never railcar: it lacks much of what a definition may say
(`orchestrator.core.lacking`), so it must have been asked for by name."""

PROBE_DEADLINE = 10.0
"""Seconds that the container of a probe, and the question for the version, may take."""

_MORE_PATHS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where distributions put runtimes that an unprivileged PATH leaves out."""
_PROGRAM_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix")
_MEMORY = Size(64 * 1024 * 1024)


async def choose_runtime(
    wanted: str,
    *,
    root: str,
    scratch: str,
    parent_group: str,
    children: Children,
    cgroups: Cgroups,
    say: Callable[[str], None],
    preferred: Sequence[str] = (),
    drivers: Sequence[CgroupDriver] = (CgroupDriver.CGROUPFS,),
    environ: Mapping[str, str] | None = None,
    wrapper: tuple[str, ...] = (),
) -> OciRuntime:
    """Find a runtime and try it.

    wanted: ``auto``, a program's name, or its absolute path. root: the ``--root`` that it will be given. scratch: an
    absolute folder for the container of the probe, made and removed here, with what the probe of an agent that was
    killed in it has left. preferred: absolute paths that ``auto`` tries before all others. parent_group: what
    `InstanceGroups` calls the root, as ``/orchestrator``. drivers: who may make control groups; the first that works is
    taken, and told where it is not the first. The reaper must be at work.
    Raises RuntimeFailed in one line that says of each candidate why it will not do, and DiskFailed where scratch cannot
    be written.
    """
    environ = os.environ if environ is None else environ
    refusals = []
    for candidate in _list_candidates(preferred, environ) if wanted == "auto" else (wanted,):
        trial = await try_runtime(
            candidate,
            root=root,
            scratch=scratch,
            parent_group=parent_group,
            children=children,
            cgroups=cgroups,
            drivers=drivers,
            environ=environ,
            wrapper=wrapper,
        )
        if trial.runtime is not None and not trial.refusal:
            if trial.passed_over:
                say(f"control groups are made by {trial.runtime.command} and not by systemd: {trial.passed_over}")
            await _remove_earlier_probes(trial.runtime, scratch, parent_group, drivers)
            return trial.runtime
        refusals.append(f"{candidate if trial.runtime is None else trial.runtime.command}: {trial.refusal}")
    hint = "install one with 'apt-get install crun' or 'apt-get install runc', or name another with --runtime"
    raise RuntimeFailed(f"no OCI runtime works on this host: {'; '.join(refusals)} ({hint})")


def _list_candidates(preferred: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """None twice, by whatever name; and not railcar, though it have made what runs."""
    preferred = [command for command in preferred if os.path.basename(command) != RAILCAR]
    return (*preferred, *(name for name in CANDIDATES if find_command(name, environ) not in preferred))


@frozen
class Trial:
    """A runtime, None where it is not installed, and why it will not do; an empty ``refusal`` if it will."""

    runtime: OciRuntime | None
    refusal: str
    passed_over: str = ""
    """Why it will not do with a driver of control groups that was to be preferred."""


async def try_runtime(
    candidate: str,
    *,
    root: str,
    scratch: str,
    parent_group: str,
    children: Children,
    cgroups: Cgroups,
    environ: Mapping[str, str],
    drivers: Sequence[CgroupDriver] = (CgroupDriver.CGROUPFS,),
    wrapper: tuple[str, ...] = (),
) -> Trial:
    """Let one runtime, a name or an absolute path, run a container; the rest is as `choose_runtime` has it. Raises
    DiskFailed where scratch cannot be written."""
    command = find_command(candidate, environ)
    if command is None:
        return Trial(None, "not a program" if "/" in candidate else "not installed")
    version = await read_version(command, children, environ)
    name = os.path.basename(command)
    refusals: list[str] = []
    for driver in drivers:
        runtime = make_runtime(
            name, command, root, children, cgroups, wrapper, version=version, environ=environ, driver=driver
        )
        if obstacle := find_obstacle(name, cgroups.hierarchies):
            return Trial(runtime, obstacle)
        try:
            await probe_runtime(runtime, scratch, parent_group, cgroups, environ)
        except RuntimeFailed as error:
            refusals.append(str(error))
        else:
            return Trial(runtime, "", "; ".join(refusals))
    return Trial(runtime, "; ".join(dict.fromkeys(refusals)))


def find_command(name: str, environ: Mapping[str, str]) -> str | None:
    """The absolute path of a program: looked up in PATH and where system programs are; None where there is none."""
    path = os.pathsep.join((environ.get("PATH", os.defpath), *_MORE_PATHS))
    found = shutil.which(name, path=path)
    return None if found is None else os.path.abspath(found)


async def read_version(command: str, children: Children, environ: Mapping[str, str]) -> str:
    """The first line of ``--version``, as ``runc version 1.1.5``; "" where it says none."""
    argv = (command, "--version")
    env = clean_environment(environ)
    try:
        with open_scratch() as output:
            await run_command(argv, children=children, env=env, deadline=PROBE_DEADLINE, stdout=output)
            lines = read_from(f"/proc/self/fd/{output}", 0).splitlines()
    except OSError:  # the probe will say why
        return ""
    return clean_message(lines[0]) if lines else ""


async def probe_runtime(
    runtime: OciRuntime,
    scratch: str,
    parent_group: str,
    cgroups: Cgroups,
    environ: Mapping[str, str],
) -> None:
    """Let a runtime run ``true`` in a container and remove it, as the agent would. Raises RuntimeFailed with the
    reason only, and DiskFailed."""
    # Ids are never used twice, also not by an agent that was killed in its probe.
    instance_id = f"probe-{runtime.name}-{os.getpid()}-{os.urandom(4).hex()}"
    folder = f"{scratch}/{instance_id}"
    try:
        instance = _prepare(instance_id, folder, InstanceGroups(parent_group, runtime.driver), cgroups, environ)
        try:
            await _try_instance(runtime, instance, cgroups)
        finally:
            _remove_tree(folder)
    except OSError as error:
        raise DiskFailed(f"cannot prepare the probe of {runtime.name} in {folder}: {error.strerror}") from error


async def _try_instance(runtime: OciRuntime, instance: Instance, cgroups: Cgroups) -> None:
    process: PidfdProcess | None = None
    prefixes = [f"cannot {action} container {instance.id}: " for action in ("create", "start", "remove")]
    try:
        try:
            process = await runtime.create(instance)
            _check_group(instance, process.pid, cgroups)
            await runtime.start(instance.id, instance.folder)
            with trio.move_on_after(PROBE_DEADLINE):
                ended = await process.wait()
                if not ended.success:
                    how = f"signal {ended.signal}" if ended.signal is not None else f"exit code {ended.code}"
                    said = clean_message(read_from(instance.log, 0))
                    raise RuntimeFailed(f"a container that runs true ended with {how}{said and ': '}{said}")
                return
            raise RuntimeFailed(f"a container that runs true did not end within {PROBE_DEADLINE:g} s")
        finally:
            try:
                await runtime.remove(instance.id, instance.folder, instance.cgroups_path)
                if process is not None:
                    with trio.CancelScope(shield=True):  # it has ended by now, and is not left to the reaper
                        await process.wait()
            finally:
                if process is not None:
                    process.close()
    except OutsideError as error:
        text = str(error)
        for prefix in prefixes:
            text = text.removeprefix(prefix)
        raise RuntimeFailed(text.removeprefix(f"{runtime.name}: ")) from error


def _check_group(instance: Instance, pid: int, cgroups: Cgroups) -> None:
    """Whether the control groups are where they are to be: systemd, seen from a container, may have them elsewhere.
    Raises RuntimeFailed, CgroupUnreadable."""
    path, memory = instance.cgroups_path, instance.resources.memory
    if pid not in cgroups.pids(path):
        raise RuntimeFailed(f"its process is not in control group {path}")
    if memory is not None and read_limits(path, cgroups.hierarchies).limits.memory != memory:
        raise RuntimeFailed(f"control group {path} does not hold the limit of memory")


def _prepare(
    instance_id: str,
    folder: str,
    groups: InstanceGroups,
    cgroups: Cgroups,
    environ: Mapping[str, str],
) -> Instance:
    """A bundle folder of mount points for the host's own programs. Raises OSError, RuntimeFailed."""
    rootfs = Path(folder, "rootfs")
    rootfs.mkdir(parents=True)
    for name in ("proc", "dev"):
        (rootfs / name).mkdir()
    binds = []
    for name in _PROGRAM_FOLDERS:
        host = Path("/", name)
        if host.is_symlink():
            (rootfs / name).symlink_to(os.readlink(host))
        elif host.is_dir():
            (rootfs / name).mkdir()
            binds.append(f"/{name}")
    program = find_command("true", environ)
    if program is None:
        raise RuntimeFailed("there is no program 'true' on this host to try it with")
    # The folder without links, since /run is not in the container; the last name as it is, since one program may
    # have many names and go by which it was called.
    args = (os.path.join(os.path.realpath(os.path.dirname(program)), os.path.basename(program)),)
    resources = Resources(memory=_MEMORY if "memory" in find_controllers(cgroups.hierarchies) else None)
    scope = groups.scope(instance_id)
    config = _make_config(args, str(rootfs), binds, groups.path(instance_id), resources)
    if scope is not None:
        config["linux"]["cgroupsPath"] = scope.cgroups_path
        config["annotations"] = dict(scope.annotations)
    Path(folder, "config.json").write_text(json.dumps(config))
    return Instance(
        id=instance_id,
        name=instance_id,
        bundle=Bundle("", config, FolderRoot(path=str(rootfs)), readonly=True),
        resources=resources,
        folder=folder,
        rootfs=str(rootfs),
        cgroups_path=groups.path(instance_id),
        scope=scope,
        log=f"{folder}/output.log",
    )


def _make_config(
    args: tuple[str, ...], rootfs: str, binds: list[str], cgroups_path: str, resources: Resources
) -> dict[str, Any]:
    """A config.json as small as it may be; with a memory limit, so that trouble with control groups shows."""
    capability_sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "capabilities": {name: [] for name in capability_sets},
            "noNewPrivileges": True,
        },
        "root": {"path": rootfs, "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            # Without a file system of its own there, runc makes its device nodes in the skeleton.
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            *({"destination": b, "type": "bind", "source": b, "options": ["rbind", "ro", "nosuid"]} for b in binds),
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")],
            "cgroupsPath": cgroups_path,
            "resources": {} if resources.memory is None else {"memory": {"limit": resources.memory}},
        },
    }


async def _remove_earlier_probes(
    runtime: OciRuntime, scratch: str, parent_group: str, drivers: Sequence[CgroupDriver]
) -> None:
    """Undo, whole, the probes of agents that were killed in them. What cannot be removed is left for the next agent:
    it is nothing to this one. Raises DiskFailed."""
    try:
        left = os.listdir(scratch)
        for name in left:
            with contextlib.suppress(RuntimeFailed):
                for driver in drivers:
                    await runtime.remove(name, f"{scratch}/{name}", InstanceGroups(parent_group, driver).path(name))
                _remove_tree(f"{scratch}/{name}")
        if not left:
            os.rmdir(scratch)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DiskFailed(f"cannot remove what an earlier probe left in {scratch}: {error.strerror}") from error


def _remove_tree(folder: str) -> None:
    """Remove the probe's folder, and the one above where that is empty now."""
    shutil.rmtree(folder)
    if not os.listdir(os.path.dirname(folder)):
        os.rmdir(os.path.dirname(folder))
