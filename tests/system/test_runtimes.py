"""The runtime that is worked with beside those that made what an earlier agent has left."""

import pytest
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.layout import Layout
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot
from orchestrator.model.state import InstanceState
from orchestrator.ports import Runtime
from orchestrator.system.runtimes import Runtimes, choose_command
from orchestrator.testing.runtime import FakeRuntime
from tests.system.helpers_disk import make_instance_state

OTHER = "/usr/bin/other"


def make_instance(identity: str) -> Instance:
    return Instance(
        id=identity,
        name="web",
        bundle=Bundle("", {}, FolderRoot(path="/"), readonly=True),
        resources=Resources(),
        folder="/f",
        rootfs="/",
        cgroups_path="/g",
        log="/l",
    )


def made_by(identity: str, command: str) -> InstanceState:
    return evolve(make_instance_state(Layout("/state", "/run"), identity), runtime=command)


async def test_who_made_a_container_is_asked_about_it(autojump_clock: MockClock) -> None:
    own, other, asked = FakeRuntime(), FakeRuntime(), []

    def make(command: str) -> Runtime:
        asked.append(command)
        return other

    for runtime, identity in ((own, "a-1"), (other, "b-1"), (other, "b-2"), (own, "lost-1"), (other, "lost-2")):
        await runtime.create(make_instance(identity))
        runtime.calls.clear()
    states = (made_by("a-1", own.command), made_by("b-1", OTHER), made_by("b-2", OTHER))
    runtimes: Runtime = Runtimes(own, states, make)
    assert asked == [OTHER], "once for all that it has made"
    assert (runtimes.name, runtimes.command, runtimes.root) == (own.name, own.command, own.root)
    for identity in ("a-1", "b-1", "lost-1", "lost-2"):
        assert await runtimes.query(identity) is not None
    assert await runtimes.query("nobody-1") is None
    assert ("query", "b-1") not in own.calls
    assert ("query", "a-1") not in other.calls
    await runtimes.update("b-1", "/f", "/g", Resources())
    assert ("update", "b-1") in other.calls
    assert own.calls.count(("update", "b-1")) == 0
    await runtimes.create(make_instance("c-1"))
    await runtimes.start("c-1", "/f")
    await runtimes.update("c-1", "/f", "/g", Resources())
    assert [call for call in own.calls if call[1] == "c-1"] == [("create", "c-1"), ("start", "c-1"), ("update", "c-1")]


@pytest.mark.parametrize(
    ("wanted", "commands", "command"),
    [
        ("auto", ["/opt/runc", "/opt/crun"], "/opt/runc"),
        ("/opt/away", ["/opt/runc"], "/opt/away"),
        ("true-runtime", ["/opt/runc", "/opt/true-runtime"], "/opt/true-runtime"),
        ("no-runtime", ["/opt/runc"], "/opt/runc"),
    ],
)
def test_of_what_does_not_work_what_is_meant_is_taken(wanted: str, commands: list[str], command: str) -> None:
    assert choose_command(wanted, commands) == command
