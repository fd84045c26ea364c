"""What `orchestrator doctor` sees: the runtimes, tried by `doctor_runtimes`; the host, looked at by `doctor_host`; the
agent, which is asked for a sign of life and no more. What follows from it is for `orchestrator.core.doctor`.

Floor: system.
"""

import os
import socket

import trio

from orchestrator.model.checkup import AgentFound, CgroupsFound, Checkup, RuntimeTrial
from orchestrator.model.layout import Layout
from orchestrator.model.state import AgentState
from orchestrator.ports import DiskFailed, OutsideError
from orchestrator.system import doctor_host
from orchestrator.system.doctor_networks import look_at_networks
from orchestrator.system.doctor_nix import look_at_nix
from orchestrator.system.doctor_runtimes import find_runtimes, try_runtimes
from orchestrator.system.facts import ProfileUnusable
from orchestrator.system.hierarchies import CgroupUnreadable
from orchestrator.system.journal import STREAM_SOCKET
from orchestrator.system.probe_runtime import CANDIDATES, find_command
from orchestrator.system.socketpath import shorten_path
from orchestrator.system.states import DamagedFile, is_alive, read_agent

ANSWER_DEADLINE = 2.0
"""Seconds that the agent may take to answer. That it listens says little: the kernel accepts for one that hangs."""
QUESTION = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def look_around(layout: Layout, runtime: str, program_version: str) -> Checkup:
    """Look at everything. runtime: ``auto``, a name or an absolute path. Raises nothing that a host can cause."""
    root = os.geteuid() == 0
    agent = look_at_agent(layout)
    trials, trouble = trio.run(_look_at_runtimes, runtime, root)
    profile, profile_trouble = _look_at_profile()
    return Checkup(
        root=root,
        program_version=program_version,
        runtime=runtime,
        trials=trials,
        trouble=trouble,
        cgroups=_look_at_cgroups(),
        inotify=doctor_host.look_at_inotify(),
        open_files=doctor_host.look_at_open_files(agent.pid),
        profile=profile,
        profile_trouble=profile_trouble,
        journal=doctor_host.is_socket(STREAM_SOCKET),
        networks=look_at_networks(os.environ, root=root),
        nix=look_at_nix(os.environ),
        kernel=doctor_host.look_at_kernel(),
        state=doctor_host.look_at_folder(layout.state, collapses=True),
        run=doctor_host.look_at_folder(layout.run),
        agent=agent,
        systemd=os.path.isdir("/run/systemd/system"),  # sd_booted(3)
        unit=doctor_host.find_unit(),
    )


def look_at_agent(layout: Layout) -> AgentFound:
    """Whether an agent of this run directory lives, and answers on its socket."""
    try:
        agent = read_agent(layout)
    except DiskFailed as error:
        return AgentFound(run=layout.run, pid=None, unreadable=str(error))
    if isinstance(agent, DamagedFile):
        return AgentFound(run=layout.run, pid=None, unreadable=str(agent))
    if not isinstance(agent, AgentState) or not is_alive(agent.pid, agent.pid_start_time):
        return AgentFound(run=layout.run, pid=None)
    refusal, denied = "", False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_DEADLINE)
            with shorten_path(layout.control) as address:
                connection.connect(address)
            connection.sendall(QUESTION)
            if not connection.recv(1):
                refusal = "it hung up"
    except OSError as error:
        refusal, denied = error.strerror or str(error), isinstance(error, PermissionError)
    return AgentFound(
        run=layout.run,
        pid=agent.pid,
        version=agent.version,
        control=layout.control,
        refusal=refusal[:1].lower() + refusal[1:],
        denied=denied,
    )


def _look_at_cgroups() -> CgroupsFound | str:
    try:
        return doctor_host.look_at_cgroups()
    except CgroupUnreadable as error:
        return str(error)


def _look_at_profile() -> tuple[str | None, str]:
    try:
        return doctor_host.look_at_profile(), ""
    except (ProfileUnusable, CgroupUnreadable) as error:
        return None, str(error)


async def _look_at_runtimes(wanted: str, root: bool) -> tuple[tuple[RuntimeTrial, ...], str]:
    """The one that is asked for and each candidate. Returns also why they could not be tried, or an empty string."""
    others = [name for name in CANDIDATES if find_command(name, os.environ) != wanted]
    names = CANDIDATES if wanted == "auto" or wanted in CANDIDATES else (wanted, *others)
    try:
        return await try_runtimes(names) if root else find_runtimes(names), ""
    except OutsideError as error:
        return find_runtimes(names), str(error)
