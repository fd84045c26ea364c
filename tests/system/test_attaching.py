"""Plugin kinds do their part on this host: what they say, raise and return, and what becomes of it without them."""

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest
import trio
from attrs import evolve, frozen

from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.contribution import Stage
from orchestrator.model.host import Container, Host, HostFailed
from orchestrator.model.layout import Layout
from orchestrator.model.registry import Group, Lazy, Origin, Registry, Unusable
from orchestrator.ports import AttachFailed
from orchestrator.system import attaching, leftovers
from orchestrator.system.attaching import HostAttacher, describe_container
from orchestrator.system.files import remove_tree
from orchestrator.system.mountinfo import find_mounts
from orchestrator.system.reaper import Children


@frozen
class Kind:
    """It does what its work says."""

    type: ClassVar[str] = "tried"

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Any:  # noqa: ANN401 - also what is wrong
        match work["do"]:
            case "mount":
                host.make_folder(container.own)
                host.mount("tmpfs", container.own, "tmpfs", ("size=64k",))
                return {"pid": container.pid}
            case "fail":
                raise HostFailed("there is no room")
            case "raise":
                raise LookupError("of the\nplugin")
            case "wrong":
                return ["a list"]
            case "odd":
                return {"value": float("nan")}
            case "hang":
                trio.from_thread.run(trio.sleep_forever)
        return None

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        if work["do"] == "fail":
            raise HostFailed("it is in use")
        host.unmount(container.own)


def plan(do: str, stage: Stage = Stage.PREPARE, group: Group = Group.MOUNTS) -> PlannedAttachment:
    key = "/data" if group is Group.MOUNTS else ""
    return PlannedAttachment(group=group.value, type="tried", key=key, stage=stage, work={"do": do})


REGISTRY = Registry().with_kind(Group.MOUNTS, "tried", Kind).with_kind(Group.NETWORKS, "tried", Kind)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


def make_attacher(layout: Layout, registry: Registry = REGISTRY) -> HostAttacher:
    return HostAttacher(layout, Children(), lambda: registry)


@pytest.mark.real
async def test_what_is_done_is_undone(layout: Layout) -> None:
    attacher, planned = make_attacher(layout), plan("mount", Stage.CONNECT)
    state = await attacher.attach(planned, "web", "web-1", 42)
    assert state == {"pid": 42}
    assert len(find_mounts(layout.own("web-1"))) == 1
    await attacher.detach(Attached(plan=planned, begun=True, state=state), "web", "web-1")
    assert find_mounts(layout.own("web-1")) == []


@pytest.mark.real
async def test_without_its_kind_an_instance_can_be_removed_all_the_same(layout: Layout) -> None:
    planned = plan("mount")
    await make_attacher(layout).attach(planned, "web", "web-1", None)
    with pytest.raises(OSError, match="something is mounted there"):
        remove_tree(layout.instance("web-1"))
    await make_attacher(layout, Registry()).detach(Attached(plan=planned, begun=True), "web", "web-1")
    remove_tree(layout.instance("web-1"))
    assert os.listdir(layout.instances) == []


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("fail", "cannot prepare the mount /data (tried): there is no room"),
        ("raise", "cannot prepare the mount /data (tried): the plugin failed: LookupError: of the plugin (test_attach"),
        ("wrong", "cannot prepare the mount /data (tried): the plugin failed: TypeError: attach returned list, not a "),
        ("odd", "cannot prepare the mount /data (tried): the plugin failed: ValueError: "),
    ],
)
async def test_what_a_kind_cannot_do_is_one_line(layout: Layout, do: str, why: str) -> None:
    with pytest.raises(AttachFailed) as raised:
        await make_attacher(layout).attach(plan(do), "web", "web-1", None)
    assert str(raised.value).startswith(why)
    assert "\n" not in str(raised.value)


async def test_the_network_and_the_undoing_are_told_as_such(layout: Layout) -> None:
    attacher = make_attacher(layout)
    with pytest.raises(AttachFailed, match=r"^cannot connect the network \(tried\): there is no room$"):
        await attacher.attach(plan("fail", Stage.CONNECT, Group.NETWORKS), "web", "web-1", 42)
    with pytest.raises(AttachFailed, match=r"^cannot undo the mount /data \(tried\): it is in use$"):
        await attacher.detach(Attached(plan=plan("fail"), begun=True), "web", "web-1")


async def test_a_kind_that_is_gone_attaches_nothing(layout: Layout) -> None:
    with pytest.raises(AttachFailed, match=r"there is no such kind any more$"):
        await make_attacher(layout, Registry()).attach(plan("mount"), "web", "web-1", None)


async def test_what_a_kind_did_that_has_a_mistake_now_is_not_forgotten(layout: Layout) -> None:
    broken = Unusable(reason="plugins/tried.py:3: SyntaxError: invalid syntax", origin=Origin())
    attacher = make_attacher(layout, Registry().with_unusable(Group.MOUNTS, "tried", broken))
    with pytest.raises(AttachFailed, match=r"^cannot undo the mount /data \(tried\): plugins/tried.py:3: SyntaxError"):
        await attacher.detach(Attached(plan=plan("nothing"), begun=True), "web", "web-1")
    with pytest.raises(
        AttachFailed, match=r"^cannot prepare the mount /data \(tried\): plugins/tried.py:3: SyntaxError"
    ):
        await attacher.attach(plan("nothing"), "web", "web-1", None)


async def test_one_that_does_not_come_back_is_left_to_itself(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "PATIENCE", 0.05)
    with pytest.raises(AttachFailed, match=r"it took longer than 0.05 s$"):
        await make_attacher(layout).attach(plan("hang"), "web", "web-1", None)


class Hanging:
    """It never comes back."""

    type: ClassVar[str] = "hanging"

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Any:  # noqa: ANN401 - it returns nothing
        threading.Event().wait()

    detach = attach


async def test_those_that_hang_keep_no_other_kind_and_no_other_container_waiting(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "PATIENCE", 0.05)
    attacher = make_attacher(layout, REGISTRY.with_kind(Group.MOUNTS, "hanging", Hanging))
    hanging = evolve(plan(""), type="hanging")
    before = threading.active_count()
    for _ in range(attaching.AT_A_TIME + 1):
        with pytest.raises(AttachFailed, match="it took longer"):
            await attacher.attach(hanging, "web", "web-1", None)
    assert threading.active_count() <= before + attaching.LEFT_AT_MOST
    for _ in range(attaching.AT_A_TIME - attaching.LEFT_AT_MOST):
        with pytest.raises(AttachFailed, match="it took longer"):
            await attacher.attach(hanging, "db", "db-1", None)
    monkeypatch.undo()
    assert await attacher.attach(plan("nothing"), "web", "web-1", None) is None


async def test_no_other_kind_is_loaded_for_what_one_does(layout: Layout) -> None:
    def load() -> NoReturn:
        raise AssertionError("nobody uses it")

    attacher = make_attacher(layout, REGISTRY.with_lazy(Group.MOUNTS, "unused", Lazy(load)))
    assert await attacher.attach(plan("nothing"), "web", "web-1", None) is None


def begin(script: str, folder: Path, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["/bin/sh", "-c", script], cwd=folder, env=environ, start_new_session=True)


@pytest.mark.parametrize(("does", "ended"), [("sleep 0.5; touch done", True), ("sleep 1000", False)])
async def test_what_a_killed_agent_has_left_at_work_is_waited_for_before_it_is_undone(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, ended: bool
) -> None:
    monkeypatch.setattr(leftovers, "MARKED_PATIENCE", 10.0 if ended else 0.2)
    attacher = HostAttacher(layout, Children(), lambda: REGISTRY)
    environ = {**os.environ, leftovers.MARK: "web-1"}
    with begin(does, tmp_path, environ) as left:
        await trio.sleep(0.2)
        await attacher.detach(Attached(plan=plan("nothing"), begun=True, done=True), "web", "web-1")
        assert left.poll() is None, "what was done is not waited for: it may have begun what is to stay"
        await attacher.detach(Attached(plan=plan("nothing"), begun=True), "web", "web-1")
        assert left.wait(5) == (0 if ended else -9)
    assert (tmp_path / "done").exists() is ended


def test_each_use_has_folders_of_its_own(layout: Layout) -> None:
    uses = [plan("mount"), plan("mount", group=Group.NETWORKS)]
    containers = [describe_container(layout, each, "web", instance, None) for each in uses for instance in ("a", "b")]
    assert len({each.own for each in containers}) == len({each.scratch for each in containers}) == 4
    assert len({each.shared for each in containers}) == len({each.kept for each in containers}) == 1
