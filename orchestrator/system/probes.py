"""Asks applications whether they are well: the port `Prober`, for every kind of health. Floor: system.

By HTTP and TCP an application is asked in its container's own network, from without (`orchestrator.system.netns`); by
a command from within. Between two probes there is neither a process nor a thread nor a descriptor of them.
"""

import os
import socket

import trio

from orchestrator.model.health import ExecHealth, Health, HttpHealth, TcpHealth
from orchestrator.model.state import InstanceState
from orchestrator.ports import NotAsked, OutsideError
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.netns import make_socket
from orchestrator.system.probe_exec import ExecProbe
from orchestrator.system.procstat import has_begun_to_end
from orchestrator.system.reaper import Children


class HostProber:
    """`orchestrator.ports.Prober` on the host."""

    def __init__(self, children: Children, cgroups: Cgroups) -> None:
        """children: those of this process that somebody waits for."""
        self._children = children
        self._cgroups = cgroups
        # A runtime takes 10 MB and more, so not more of them than can be at work at a time.
        self._runtimes = trio.CapacityLimiter(len(os.sched_getaffinity(0)))

    async def probe(self, health: Health, instance: InstanceState) -> str | None:
        """See `orchestrator.ports.Prober`."""
        try:
            # What has ended may have failed on its way there, which its end says better.
            try:
                why = await self._ask(health, instance)
            except (OSError, OutsideError):
                if _lives(instance):
                    raise
                return None
            return why if not why or _lives(instance) else None
        except (OSError, OutsideError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise NotAsked(f"cannot probe it: {reason}") from error

    async def _ask(self, health: Health, instance: InstanceState) -> str | None:
        if isinstance(health, ExecHealth):
            return await ExecProbe(health, instance, self._children, self._cgroups, self._runtimes).ask()
        assert instance.pid is not None, "what runs has a process"
        assert instance.pid_start_time is not None, "as above"
        family = socket.AF_INET6 if ":" in health.host else socket.AF_INET
        made = make_socket(instance.pid, instance.pid_start_time, family)
        if made is None:
            return None
        with made:
            made.setblocking(False)
            connection = trio.socket.from_stdlib_socket(made)
            if isinstance(health, TcpHealth):
                return await _connect(health, connection)
            return await _ask_http(health, connection)


async def _connect(health: HttpHealth | TcpHealth, connection: trio.socket.SocketType) -> str:
    with trio.move_on_after(health.timeout):
        try:
            await connection.connect((health.host, health.port))
        except OSError as error:
            return os.strerror(error.errno or 0).lower()
        return ""
    return f"no answer within {health.timeout:g} s"


async def _ask_http(health: HttpHealth, connection: trio.socket.SocketType) -> str:
    from orchestrator.system.probe_http import HttpProbe  # with what it needs, only where somebody is asked so

    deadline = trio.current_time() + health.timeout
    why = await _connect(health, connection)
    if why:
        return why
    probe = HttpProbe(health)
    with trio.move_on_at(deadline):
        await probe.ask(connection)
    return probe.why


def _lives(instance: InstanceState) -> bool:
    pid, start_time = instance.pid, instance.pid_start_time
    return pid is not None and start_time is not None and not has_begun_to_end(pid, start_time)
