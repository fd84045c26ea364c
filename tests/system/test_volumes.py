"""Volumes on disk, the lock of whoever makes or removes one, and the files of which a digest is asked."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from orchestrator.model.facts import ContentQuestion, DigestAnswer
from orchestrator.model.host import HostFailed
from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed
from orchestrator.system import plugin_host
from orchestrator.system.contents import LARGEST_CONTENT, digest_content
from orchestrator.system.disk import HostDisk
from orchestrator.system.lock import hold_lock
from orchestrator.system.namedlock import hold_named_lock
from orchestrator.system.plugin_host import PluginHost
from orchestrator.system.reaper import Children
from orchestrator.system.volumes import (
    VolumeInUse,
    is_state_locked,
    list_volumes,
    measure_volume,
    remove_volume,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    for path in (layout.run, f"{layout.volumes}/data/below", f"{layout.volumes}/other", f"{layout.volumes}/.removed-1"):
        os.makedirs(path)
    return layout


def test_volumes_are_listed_and_measured(layout: Layout) -> None:
    assert list_volumes(layout) == ("data", "other")
    empty = measure_volume(layout, "data")
    file = Path(layout.volumes, "data/below/file")
    file.write_bytes(os.urandom(1 << 20))
    os.link(file, f"{file}.again")
    Path(layout.volumes, "data/link").symlink_to(layout.volumes)
    assert 1 << 20 <= measure_volume(layout, "data") - empty < 1 << 21
    assert list_volumes(Layout("/nonexistent", "/nonexistent")) == ()


def test_one_is_removed_with_what_an_earlier_removal_left(layout: Layout) -> None:
    remove_volume(layout, "data", lambda: ())
    assert os.listdir(layout.volumes) == ["other"]
    assert os.listdir(layout.run) == []
    with pytest.raises(DiskFailed, match=r"^cannot remove the volume data: No such file or directory"):
        remove_volume(layout, "data", lambda: ())


def test_one_that_somebody_got_meanwhile_stays(layout: Layout) -> None:
    def find_users() -> tuple[str, ...]:
        # Nobody can make one while this is asked.
        with pytest.raises(TimeoutError), hold_named_lock(layout.named_lock("volumes"), 0.0):
            raise AssertionError("it is held already")
        return ("web-1",)

    with pytest.raises(VolumeInUse, match=r"^cannot remove the volume data: it is in use by web-1$"):
        remove_volume(layout, "data", find_users)
    assert list_volumes(layout) == ("data", "other")


def test_the_agent_of_a_state_directory_is_seen(layout: Layout) -> None:
    assert not is_state_locked(layout)
    with hold_lock(layout.state_lock):
        assert is_state_locked(layout)
    assert not is_state_locked(layout)


# The lock


def test_a_named_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path, total, threads = f"{tmp_path}/a%2Fb.lock", [0], []

    def count() -> None:
        for _ in range(50):
            with hold_named_lock(path, 60.0):
                seen = total[0]
                os.stat(path)
                total[0] = seen + 1

    for _ in range(4):
        threads.append(threading.Thread(target=count))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert total == [200]
    assert os.listdir(tmp_path) == []


def test_what_a_process_that_was_killed_left_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.touch()
    with hold_named_lock(str(path), 0.0):
        pass
    assert not path.exists()


def test_a_kind_waits_for_who_is_no_agent(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    host = PluginHost(Children(), {}, layout.named_lock)
    with host.lock("volumes"):
        assert os.listdir(layout.run) == ["volumes.lock"]
    monkeypatch.setattr(plugin_host, "LOCK_PATIENCE", 0.05)
    refused = pytest.raises(HostFailed, match=r"^somebody else holds the lock volumes since 0\.05 s$")
    with hold_named_lock(layout.named_lock("volumes"), 0.0), refused, host.lock("volumes"):
        raise AssertionError("it is held already")
    with host.lock("volumes"):
        pass


# Digests of what nobody is to see


def test_a_digest_is_of_what_a_file_says(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\0secret")
    assert digest_content(ContentQuestion(f"{file}")) == DigestAnswer(hashlib.sha256(b"\xff\0secret").hexdigest())
    file.write_bytes(b"x" * (LARGEST_CONTENT + 1))
    assert digest_content(ContentQuestion(f"{file}")) == DigestAnswer(None, "it is larger than 1024 KiB, the limit")
    assert digest_content(ContentQuestion(f"{tmp_path}")) == DigestAnswer(None, "it is not a regular file")
    assert digest_content(ContentQuestion(f"{tmp_path}/none")) == DigestAnswer(None, "no such file or directory")


def test_a_credential_is_looked_up_where_systemd_has_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = ContentQuestion("web.key", credential=True)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert digest_content(question) == DigestAnswer(None)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"{tmp_path}")
    assert digest_content(question) == DigestAnswer(None, "no such file or directory")
    (tmp_path / "web.key").write_bytes(b"secret")
    assert digest_content(question) == DigestAnswer(hashlib.sha256(b"secret").hexdigest())


# What a kind has mounted and nobody knows of


@pytest.mark.real
def test_what_is_mounted_in_an_instances_folder_goes_with_it(layout: Layout) -> None:
    own = f"{layout.own('web-1')}/f"
    host = PluginHost(Children(), {})
    host.make_folder(own)
    host.mount("tmpfs", own, "tmpfs", ("size=64k",))
    try:
        host.write_file(f"{own}/secret", b"x")
        HostDisk(layout).remove_instance("web-1")
        assert os.listdir(layout.instances) == []
    finally:
        host.unmount(layout.instances)
