"""The directory of definitions on a file system that hangs: what runs goes on, an operator is heard, edits are followed
once it answers. A real runtime, and a real mount whose server is stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fuse_folder import DEVICE
from tests.host.agent_process import AgentProcess, Row, definition, find_program

pytestmark = pytest.mark.real

QUICK = {"delay": "0s", "jitter": 0.0}


class MountedAgent(AgentProcess):
    """An agent that reads its directory through a mount; a test writes into the folder behind that."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, "runc")  # one is enough: what hangs is in front of all of them
        assert os.path.exists(DEVICE), f"{DEVICE} is missing: modprobe fuse, and show it to this machine's container"
        self.exit_policy = "leave"
        self.point, self.config = self.config, base / "behind"
        self.config.mkdir()
        program = (sys.executable, "-m", "tests.faults.fuse_folder", str(self.config), str(self.point))
        self._server = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "mounted\n"

    def command(self, *options: str) -> list[str]:
        return super().command("--config", str(self.point), *options)

    def stop_server(self) -> None:
        """From now on nothing below the mount is answered."""
        self._server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED)

    def hang(self) -> None:
        """Nothing is answered, and the agent has noticed."""
        self.stop_server()
        self.look_again()
        self.wait_until(lambda: self.trouble in self.status(), "the mount to be missed")

    def answer(self) -> None:
        """All that was asked meanwhile is answered, and what is asked from now on."""
        self._server.send_signal(signal.SIGCONT)

    def unmount(self) -> None:
        self._server.kill()
        self._server.communicate()
        subprocess.run((find_program("umount"), "-l", str(self.point)), check=True)

    def look_again(self) -> None:
        """The mount sends no events, and to wait for the next look would take seconds."""
        self.process.send_signal(signal.SIGHUP)

    @property
    def trouble(self) -> str:
        return f"cannot read the directory {self.point}: it does not answer"

    def status(self) -> str:
        """All that `status` says."""
        shown = self.call("status")
        assert shown.returncode == 0, shown
        return shown.stdout + shown.stderr


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[MountedAgent]:
    agent = MountedAgent(tmp_path)
    try:
        with agent:
            try:
                yield agent
            finally:
                agent.answer()  # before anything waits for an end
            assert agent.call("shutdown").returncode == 0  # with all that it would leave
            assert agent.wait_end() == 0
    finally:
        agent.unmount()


def life(row: Row) -> tuple[object, ...]:
    return row["state"], row["instance"], row["pid"], row["restarts"]


def test_what_runs_goes_on_and_edits_are_followed_once_it_answers(mounted: MountedAgent) -> None:
    mounted.define("web", definition())
    mounted.define("crashing", definition(restart=QUICK))
    mounted.start()
    web, crashing = (mounted.wait_state(name, "running") for name in ("web", "crashing"))

    mounted.hang()
    os.kill(crashing["pid"], signal.SIGKILL)
    crashed = mounted.wait_replaced("crashing", crashing)
    for verb, state in (("stop", "stopped"), ("start", "running")):
        called = mounted.call(verb, "crashing")
        assert (called.returncode, called.stderr) == (0, "")
        mounted.wait_state("crashing", state)
    mounted.define("late", definition())
    mounted.look_again()
    planned = mounted.call("plan")
    assert mounted.trouble in planned.stderr, planned
    assert life(mounted.row("web")) == life(web)
    assert crashed["restarts"] == 1

    mounted.answer()
    mounted.wait_state("late", "running")
    mounted.wait_until(lambda: mounted.trouble not in mounted.status(), "the trouble to be over")
    assert life(mounted.row("web")) == life(web)
    assert mounted.output().count(mounted.trouble) == 1
