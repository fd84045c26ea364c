"""Which device stands at a path, by real ones."""

import os
import socket
import threading
from pathlib import Path

import pytest

from orchestrator.model.facts import DeviceAnswer, DeviceQuestion, PathQuestion
from orchestrator.system.devices import find_device
from orchestrator.system.facts import NO_ANSWER, HostWorld, answer_question
from orchestrator.system.inquiry import Inquiry


def test_a_device_is_known_by_its_kind_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    found = os.stat("/dev/null")
    null = DeviceAnswer("c", 1, 3, found.st_mode & 0o777, found.st_uid, found.st_gid)
    assert find_device("/dev/null") == find_device(f"{tmp_path}/link") == null


@pytest.mark.real
def test_rights_and_owner_are_the_nodes_own(tmp_path: Path) -> None:
    node = tmp_path / "node"
    os.mknod(node, 0o060640, os.makedev(7, 300))
    os.chmod(node, 0o4640)
    os.chown(node, 12, 34)
    assert find_device(f"{node}") == DeviceAnswer("b", 7, 300, 0o640, 12, 34)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("gone", "no such device"),
        ("file/below", "no such device"),
        ("broken", "no such device"),
        ("\ud800", "no such device"),
        ("file", "not a device: a regular file"),
        ("folder", "not a device: a directory"),
        ("pipe", "not a device: a named pipe"),
        ("socket", "not a device: a socket"),
        ("loop", "too many levels of symbolic links"),
        ("x" * 300, "file name too long"),
    ],
)
def test_what_is_none_says_why(tmp_path: Path, name: str, detail: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/socket")
        assert find_device(f"{tmp_path}/{name}") == DeviceAnswer("", detail=detail)


async def test_the_world_is_asked_for_devices_beside_the_rest() -> None:
    facts = await HostWorld.probe().gather((DeviceQuestion("/dev/null"), PathQuestion("/dev/null")))
    assert facts.devices == {"/dev/null": find_device("/dev/null")}
    assert facts.paths["/dev/null"].resolved == "/dev/null"


async def test_a_device_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr("orchestrator.system.facts.find_device", lambda _: held.wait())
    question = DeviceQuestion("/dev/dead")
    try:
        facts = await HostWorld(HostWorld.probe().host, Inquiry(answer_question, whole=30, one=0.05)).gather(
            (question,)
        )
    finally:
        held.set()
    assert facts.devices == {"/dev/dead": DeviceAnswer("", detail=NO_ANSWER)}
    assert facts.unanswered == {question}
