"""The directory of definitions on a file system that hangs: what runs goes on, an operator is heard, edits are followed
once it answers. A real runtime, and a real mount whose server hangs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fuse_folder import MountedFolder
from tests.host.agent_process import AgentProcess, Row, definition

pytestmark = pytest.mark.real

QUICK = {"delay": "0s", "jitter": 0.0}


class MountedAgent(AgentProcess):
    """An agent that reads its directory through a mount; a test writes into the folder behind that."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, "runc")  # one is enough: what hangs is in front of all of them
        self.exit_policy = "leave"
        self.point, self.config = self.config, base / "behind"
        self.config.mkdir()
        self.mount = MountedFolder(self.config, self.point)

    def command(self, *options: str) -> list[str]:
        return super().command("--config", str(self.point), *options)

    def hang(self) -> None:
        """Nothing is answered, and the agent has noticed."""
        self.mount.hang()
        self.look_again()
        self.wait_until(lambda: self.trouble in self.status(), "the mount to be missed")

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
    with agent.mount, agent:
        try:
            yield agent
        finally:
            agent.mount.answer()  # before anything waits for an end
        assert agent.call("shutdown").returncode == 0  # with all that it would leave
        assert agent.wait_end() == 0


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

    mounted.mount.answer()
    mounted.wait_state("late", "running")
    mounted.wait_until(lambda: mounted.trouble not in mounted.status(), "the trouble to be over")
    assert life(mounted.row("web")) == life(web)
    assert mounted.output().count(mounted.trouble) == 1


def test_an_agent_that_starts_while_it_hangs_adopts_what_runs(mounted: MountedAgent) -> None:
    for name in ("web", "gone"):
        mounted.define(name, definition())
    mounted.start()
    web, gone = (mounted.wait_state(name, "running") for name in ("web", "gone"))
    mounted.kill()
    mounted.mount.hang()
    (mounted.config / "gone.toml").unlink()

    mounted.start()
    assert mounted.trouble in mounted.status()
    assert {name: life(mounted.row(name)) for name in ("web", "gone")} == {"web": life(web), "gone": life(gone)}

    mounted.mount.answer()
    mounted.wait_until(lambda: "gone" not in mounted.rows(), "what has no file any more to end")
    assert life(mounted.row("web")) == life(web)


def test_it_ends_while_it_hangs(mounted: MountedAgent) -> None:
    mounted.define("web", definition())
    mounted.start()
    web = mounted.wait_state("web", "running")
    mounted.hang()
    assert mounted.end() == 0
    mounted.start()  # which hangs from its first look on
    assert mounted.end() == 0
    mounted.mount.answer()
    mounted.start()
    assert life(mounted.row("web")) == life(web)
