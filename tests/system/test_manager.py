"""What is asked of systemd where it is process 1; under a real one it is tried in tests/systemd."""

from pathlib import Path

import pytest

from orchestrator.system import manager
from orchestrator.system.manager import find_service, keeps_descriptors
from orchestrator.system.reaper import Children

SCRIPT = """\
#!/bin/sh
echo "$@" >> {folder}/asked
echo "{answer}"
exit {code}
"""


@pytest.mark.parametrize(
    ("membership", "service"),
    [
        ("0::/system.slice/orchestrator.service\n", "orchestrator.service"),
        ("0::/system.slice/orchestrator.service/agent\n", "orchestrator.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", None),
        ("12:pids:/a.service\n1:name=systemd:/system.slice/agent@a:b.service\n0::/\n", "agent@a:b.service"),
        ("12:pids:/a.service\n", None),
        ("odd\n\n0::", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_service_that_a_process_belongs_to(membership: str, service: str | None) -> None:
    assert find_service(membership) == service


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if systemd were process 1, with a systemctl that `answer` makes."""
    monkeypatch.setattr(manager, "BOOTED", str(tmp_path))
    monkeypatch.setattr(manager, "_read_own_group", lambda: "0::/system.slice/web.service\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def answer(folder: Path, text: str, code: int = 0) -> None:
    program = folder / "systemctl"
    program.write_text(SCRIPT.format(folder=folder, answer=text, code=code))
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "code", "keeps"),
    [
        ("FileDescriptorStoreMax=4096", 0, True),
        ("FileDescriptorStoreMax=0", 0, False),
        ("FileDescriptorStoreMax=", 0, False),
        ("Failed to connect to bus: No such file or directory", 1, False),
        ("", 0, False),
    ],
)
async def test_an_older_systemd_is_asked(systemd: Path, said: str, code: int, keeps: bool) -> None:
    answer(systemd, said, code)
    assert await keeps_descriptors(Children(), {}) is keeps
    asked = (systemd / "asked").read_text()
    assert asked == "--no-ask-password show --property=FileDescriptorStoreMax web.service\n"


@pytest.mark.parametrize(("most", "keeps"), [("4096", True), ("0", False), ("many", False)])
async def test_a_newer_one_says_it_by_itself(systemd: Path, most: str, keeps: bool) -> None:
    answer(systemd, "FileDescriptorStoreMax=1")
    assert await keeps_descriptors(Children(), {"FDSTORE": most}) is keeps
    assert not (systemd / "asked").exists()


async def test_whoever_is_no_systemd_keeps_none(systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await keeps_descriptors(Children(), {}), "there is no systemctl"
    answer(systemd, "FileDescriptorStoreMax=1")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(manager, "_read_own_group", lambda: "0::/user.slice\n")
        assert not await keeps_descriptors(Children(), {})
    monkeypatch.setattr(manager, "BOOTED", "/nonexistent")
    assert not await keeps_descriptors(Children(), {})
    assert not (systemd / "asked").exists()
