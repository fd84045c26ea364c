"""A holder of listening sockets at a path of a test's own, and agents that ask it."""

import os
import signal
import socket
import time
from array import array
from collections.abc import Callable

import trio

from orchestrator.system.holder import LONGEST
from orchestrator.system.holding import Holding
from orchestrator.system.listeners import Keeper
from orchestrator.system.reaper import list_children
from tests.system.helpers_listen import inode_of


class Place:
    """Where a holder is asked, and the processes that were begun here."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.said: list[str] = []
        self.agents: list[Holding] = []
        self._before = set(list_children())

    def agent(self) -> Holding:
        """One agent's side; those before have ended without a word."""
        for earlier in self.agents:
            earlier._disconnect()
        self.agents.append(Holding(self.path, self.said.append))
        return self.agents[-1]

    def pids(self) -> list[int]:
        """The holders that run; what has ended is reaped."""
        begun = set(list_children()) - self._before
        return [pid for pid in begun if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None]

    def pid(self) -> int:
        (pid,) = self.pids()
        return pid

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.01)

    async def come_to(self, condition: Callable[[], bool]) -> None:
        """Wait for it while tasks go on."""
        with trio.fail_after(20):
            while not condition():  # noqa: ASYNC110 - what it is about is another process
                await trio.sleep(0.01)

    def ask(self, *requests: bytes, descriptors: tuple[int, ...] = ()) -> list[bytes]:
        """What a client of any kind gets for these; the last answer is empty where it was closed to."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(20)
            client.connect(self.path)
            answers = []
            for request in requests:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
                client.sendmsg([request], rights)
                answers.append(client.recv(LONGEST))
            return answers

    def end(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for agent in self.agents:
            agent._disconnect()


def take(agent: Keeper) -> dict[str, int]:
    """What it takes, by inode."""
    taken = agent.take_all("listen/")
    inodes = {}
    for name, held in taken.items():
        assert not os.get_inheritable(held)
        inodes[name] = inode_of(held)
        os.close(held)
    return inodes
