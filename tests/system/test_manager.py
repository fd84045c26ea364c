"""What is asked of systemd where it is process 1; under a real one it is tried in tests/systemd."""

from pathlib import Path

import pytest

from orchestrator.system import manager
from orchestrator.system.manager import find_service, is_good_store, keeps_descriptors
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
    ("most", "preserve", "kill_mode", "good"),
    [
        ("4096", "yes", "process", True),
        ("4096", "yes", "control-group", True),
        # What goes with a stop is outlived by a process that a stop leaves alone.
        ("4096", None, "process", False),
        ("4096", "restart", "process", False),
        ("4096", "no", "none", False),
        ("4096", None, "control-group", True),
        ("4096", "no", "mixed", True),
        ("0", "yes", "control-group", False),
        ("", None, "", False),
        ("many", "yes", "process", False),
    ],
)
def test_what_outlives_more_is_chosen(most: str, preserve: str | None, kill_mode: str, good: bool) -> None:
    properties = {"FileDescriptorStoreMax": most, "KillMode": kill_mode}
    assert is_good_store(properties | ({} if preserve is None else {"FileDescriptorStorePreserve": preserve})) is good
    assert not is_good_store({})


@pytest.mark.parametrize(
    ("said", "keeps"),
    [
        ("FileDescriptorStoreMax=4096\nFileDescriptorStorePreserve=yes\nKillMode=process", True),
        ("FileDescriptorStoreMax=4096\nKillMode=process", False),
        ("KillMode=control-group\nFileDescriptorStoreMax=4096", True),
        ("", False),
    ],
)
async def test_systemd_is_asked(systemd: Path, said: str, keeps: bool) -> None:
    answer(systemd, said)
    assert await keeps_descriptors(Children(), {}) is keeps
    asked = (systemd / "asked").read_text()
    properties = "FileDescriptorStoreMax,FileDescriptorStorePreserve,KillMode"
    assert asked == f"--no-ask-password show --property={properties} web.service\n"


@pytest.mark.parametrize(("most", "keeps"), [("4096", True), ("0", False), ("many", False), (None, False)])
async def test_where_it_does_not_answer_its_variable_is_asked(systemd: Path, most: str | None, keeps: bool) -> None:
    environ = {} if most is None else {"FDSTORE": most}
    assert await keeps_descriptors(Children(), environ) is keeps, "there is no systemctl"
    answer(systemd, "Failed to connect to bus: No such file or directory", code=1)
    assert await keeps_descriptors(Children(), environ) is keeps


async def test_whoever_is_no_systemd_keeps_none(systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(systemd, "FileDescriptorStoreMax=1 KillMode=mixed")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(manager, "_read_own_group", lambda: "0::/user.slice\n")
        assert not await keeps_descriptors(Children(), {})
    monkeypatch.setattr(manager, "BOOTED", "/nonexistent")
    assert not await keeps_descriptors(Children(), {})
    assert not (systemd / "asked").exists()
