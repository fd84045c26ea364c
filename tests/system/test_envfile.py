"""Files of variables on a real file system: their digests, and what an instance gets of them."""

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from orchestrator.model.facts import DigestAnswer, DigestQuestion
from orchestrator.model.spec import EnvFileUse
from orchestrator.system import contents, envfile
from orchestrator.system.envfile import LARGEST_FILE, VariableReader, VariablesUnusable, digest_variables
from orchestrator.system.facts import HostWorld


def uses(paths: Iterable[str]) -> list[EnvFileUse]:
    """The files, whatever they say."""
    return [EnvFileUse(path, None) for path in paths]


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    file, link = tmp_path / "web.env", tmp_path / "link"
    file.write_text("A=1\n")
    link.symlink_to("web.env")
    assert digest_variables(f"{file}") == DigestAnswer(hashlib.sha256(b"A=1\n").hexdigest())
    assert digest_variables(f"{link}") == digest_variables(f"{file}")
    before = digest_variables(f"{file}")
    file.write_text("A=1 \n")
    assert digest_variables(f"{file}") != before


def test_half_a_file_is_not_taken_for_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "web.env"
    file.write_text("")

    def finish(seconds: float) -> None:
        assert 0 < seconds <= contents.STILL
        file.write_text("A=1\n")
        os.utime(file, (0, 0))

    monkeypatch.setattr("orchestrator.system.contents.time.sleep", finish)
    assert digest_variables(f"{file}") == DigestAnswer(hashlib.sha256(b"A=1\n").hexdigest())


def test_what_never_rests_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "web.env"
    file.write_text("")
    monkeypatch.setattr("orchestrator.system.contents.time.sleep", lambda _: file.write_text("A=1\n"))
    assert digest_variables(f"{file}") == DigestAnswer(hashlib.sha256(b"A=1\n").hexdigest())


def make_unfit(folder: Path) -> dict[str, str]:
    """Files that are none of variables, by name, and what is said of each."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "large").write_bytes(b"#" * (LARGEST_FILE + 1))
    (folder / "bad").write_text("A=1\nsecret\n")
    (folder / "latin").write_bytes(b"A=secret\nB=\xe9\n")
    (folder / "device").symlink_to("/dev/zero")
    return {
        "pipe": "it is not a regular file",
        "folder": "it is not a regular file",
        "device": "it is not a regular file",
        "loop": "too many levels of symbolic links",
        "large": "it is larger than 64 KiB, the limit",
        "bad": 'line 2: there is no "=" in it',
        "latin": "line 2: it is not UTF-8",
        "none": "no such file or directory",
        "bad/below": "not a directory",
        "nul\0": "no such file or directory",
    }


def test_what_is_no_file_of_variables_has_no_digest(tmp_path: Path) -> None:
    for name, why in make_unfit(tmp_path).items():
        assert digest_variables(f"{tmp_path}/{name}") == DigestAnswer(None, why)


def test_what_is_no_file_of_variables_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("A=1\n")
    for name, why in make_unfit(tmp_path).items():
        path = f"{tmp_path}/{name}"
        with pytest.raises(VariablesUnusable, match=f"^{re.escape(f'cannot read the variables of {path}: {why}')}$"):
            VariableReader().read(uses([f"{tmp_path}/good", path]))


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"A=" + b"x" * (LARGEST_FILE - 2))
    assert len(VariableReader().read(uses([f"{tmp_path}/large"]))["A"]) == LARGEST_FILE - 2


def test_a_later_file_wins(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\nB=1\n")
    (tmp_path / "b").write_text("B=2\n")
    paths = [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert VariableReader().read(uses(paths)) == {"A": "1", "B": "2"}
    assert VariableReader().read(uses(reversed(paths))) == {"A": "1", "B": "1"}
    assert VariableReader().read([]) == {}


def test_only_what_a_digest_is_of_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\n")
    (tmp_path / "b").write_text("B=1\n")
    files = [EnvFileUse(path, digest_variables(path).digest) for path in (f"{tmp_path}/a", f"{tmp_path}/b")]
    assert VariableReader().read(files) == {"A": "1", "B": "1"}
    (tmp_path / "b").write_text("B=2\n")
    with pytest.raises(
        VariablesUnusable, match=f"^cannot read the variables of {tmp_path}/b: it has changed meanwhile$"
    ):
        VariableReader().read(files)
    assert VariableReader().read([files[0], EnvFileUse(f"{tmp_path}/b", None)]) == {"A": "1", "B": "2"}


async def test_the_world_answers_with_the_digest_alone(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A=told-to-nobody\n")
    world = HostWorld.probe()
    path = f"{tmp_path}/web.env"
    facts = await world.gather([DigestQuestion(path), DigestQuestion(f"{tmp_path}/none")])
    assert facts.digests == {
        path: digest_variables(path),
        f"{tmp_path}/none": DigestAnswer(None, "no such file or directory"),
    }
    assert "told-to-nobody" not in repr(facts)


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What a path is let go by that hangs."""
    let_go = threading.Event()
    really_read = envfile._read

    def read(path: str) -> tuple[bytes, dict[str, str]]:
        if path == "/dead/env":
            let_go.wait()
            return b"", {"A": "1"}
        return really_read(path)

    monkeypatch.setattr(envfile, "_read", read)
    monkeypatch.setattr(envfile, "PATIENCE", 0.05)
    yield let_go
    let_go.set()


def test_a_file_that_hangs_holds_up_nothing_and_no_further_thread(hung: threading.Event, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("B=2\n")
    reader = VariableReader()
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(VariablesUnusable, match=r"^cannot read the variables of /dead/env: it does not answer$"):
            reader.read(uses(["/dead/env"]))
    assert threading.active_count() == before + 1
    assert reader.read(uses([f"{tmp_path}/web.env"])) == {"B": "2"}
    (thread,) = reader._hanging.values()
    hung.set()
    thread.join(5)
    assert reader.read(uses(["/dead/env"])) == {"A": "1"}


def test_all_files_of_an_instance_share_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []
    really_join = threading.Thread.join

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        waited.append(timeout)
        really_join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", join)
    for name in "abc":
        (tmp_path / name).write_text(f"{name}=1\n")
    paths = [f"{tmp_path}/{name}" for name in "abc"]
    assert VariableReader().read(uses(paths)) == {"a": "1", "b": "1", "c": "1"}
    assert waited == [envfile.PATIENCE]
    assert VariableReader().read([]) == {}
    assert len(waited) == 1, "without files nothing is waited for"


def test_what_hangs_is_known_before_another_file_is_read(
    hung: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web.env").write_text("B=2\n")
    paths = [f"{tmp_path}/web.env", "/dead/env", f"{tmp_path}/none"]
    reader = VariableReader()
    with pytest.raises(VariablesUnusable, match="/dead/env: it does not answer"):
        reader.read(uses(paths))
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("nothing is read"))
    with pytest.raises(VariablesUnusable, match="/dead/env: it does not answer"):
        reader.read(uses(paths))
