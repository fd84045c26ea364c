"""resolv.conf inside follows the host's on a real runtime: also where that is a link, and is replaced by rename.

The agent has an /etc of its own, in a mount namespace of its own, so that the machine's stays as it is.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition

pytestmark = pytest.mark.real

SHOWS = "trap 'exit 0' TERM; while :; do cat /etc/resolv.conf; sleep 0.05; done"


class OwnEtc(AgentProcess):
    """An agent for which a copy of the machine's /etc is /etc."""

    @property
    def etc(self) -> Path:
        return self.base / "etc"

    def command(self, *options: str) -> list[str]:
        script = 'mount --bind "$0" /etc; exec "$@"'
        return ["unshare", "-m", "sh", "-ec", script, str(self.etc), *super().command(*options)]

    def say(self, server: str, name: str = "resolv.conf") -> None:
        """Put another file in the place of what is there, be it a link."""
        new = self.etc / f"{name}.new"
        new.write_text(f"nameserver {server}\n")
        new.rename(self.etc / name)

    def retunes(self) -> int:
        return self.output().count("web: retuned: host:/etc/resolv.conf: differs")


@pytest.fixture
def agent(runtime: str, tmp_path: Path) -> Iterator[OwnEtc]:
    with OwnEtc(tmp_path, runtime) as agent:
        agent.exit_policy = "leave"
        shutil.copytree("/etc", agent.etc, symlinks=True)
        agent.say("192.0.2.1")
        yield agent
        if agent.process.poll() is not None:
            agent.start()
        agent.call("shutdown")
        agent.wait_end()


def test_it_is_followed_without_a_restart(agent: OwnEtc) -> None:
    agent.start()
    before = agent.start_container("web", definition(SHOWS, network="host"))
    agent.wait_log("web", "nameserver 192.0.2.1")
    agent.say("192.0.2.2")
    agent.wait_log("web", "nameserver 192.0.2.2")
    # A link, to a file that is replaced in its turn: only the link's own folder, then only the file's, has an event.
    (agent.etc / "resolve").mkdir()
    agent.say("192.0.2.3", "resolve/stub.conf")
    os.symlink("resolve/stub.conf", agent.etc / ".link")
    os.rename(agent.etc / ".link", agent.etc / "resolv.conf")
    agent.wait_log("web", "nameserver 192.0.2.3")
    agent.say("192.0.2.4", "resolve/stub.conf")
    agent.wait_log("web", "nameserver 192.0.2.4")
    after = agent.row("web")
    assert (after["pid"], after["restarts"]) == (before["pid"], 0)
    agent.wait_until(lambda: agent.retunes() == 3, "each to be told once")


def test_a_next_agent_goes_on_and_tells_only_news(agent: OwnEtc) -> None:
    agent.start()
    before = agent.start_container("web", definition(SHOWS, network="host"))
    agent.wait_log("web", "nameserver 192.0.2.1")
    agent.kill()
    agent.start()
    agent.let_it_look()
    assert agent.retunes() == 0
    agent.kill()
    agent.say("192.0.2.2")
    agent.start()
    agent.wait_log("web", "nameserver 192.0.2.2")
    assert agent.row("web")["pid"] == before["pid"]
    agent.wait_until(lambda: agent.retunes() == 1, "it to be told")
