"""The state directory and the run directory on a real file system, and the fake that stands for them."""

import errno
import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.core.render import render_instance
from orchestrator.model.bundle import Instance
from orchestrator.model.contribution import BundleFile
from orchestrator.model.entry import FolderEntry
from orchestrator.model.layout import Layout
from orchestrator.model.spec import EnvFileUse
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import Disk, DiskFailed
from orchestrator.system.disk import HostDisk
from orchestrator.system.envfile import digest_variables
from orchestrator.system.files import remove_tree
from orchestrator.testing.disk import FakeDisk
from tests.system.helpers_disk import listing, make_bundle, make_instance, make_instance_state, mode_of

NAME = NameState(name="web", state=PublicState.RUNNING, since=1.0)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=f"{tmp_path}/a/state", run=f"{tmp_path}/b/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    return HostDisk(layout)


def test_both_are_the_port() -> None:
    real: Disk = HostDisk(Layout("/nowhere", "/nowhere"))
    fake: Disk = FakeDisk()
    assert real is not fake


def test_folders_are_made_with_their_modes_whatever_the_umask_says(disk: HostDisk, layout: Layout) -> None:
    old = os.umask(0o077)
    try:
        disk.make_folders()
    finally:
        os.umask(old)
    assert {mode_of(path) for path in (layout.state, layout.run)} == {0o711}
    assert {mode_of(path) for path in (layout.bundles, layout.roots, layout.instances, layout.names)} == {0o700}
    assert mode_of(layout.logs) == 0o750


def test_a_folder_that_stands_keeps_its_mode(disk: HostDisk, layout: Layout) -> None:
    os.makedirs(layout.state)
    os.chmod(layout.state, 0o755)
    disk.make_folders()
    assert mode_of(layout.state) == 0o755


def test_a_folder_that_cannot_be_made_is_one_clear_line(disk: HostDisk, layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("in the way")
    with pytest.raises(DiskFailed) as caught:
        disk.write_name(NAME)
    assert str(caught.value) == f"cannot write {layout.name_state('web')}: Not a directory"
    with pytest.raises(DiskFailed, match=f"^cannot make the folder {layout.run}: Not a directory"):
        disk.make_folders()


def test_state_files_are_whole_private_and_leave_nothing_beside_them(disk: HostDisk, layout: Layout) -> None:
    state = make_instance_state(layout)
    disk.write_instance(state)
    disk.write_name(NAME)
    disk.write_name(NameState(name="web", state=PublicState.STOPPED, since=2.0))
    disk.write_agent(
        AgentState(
            pid=1,
            pid_start_time=2,
            version="1",
            started_at=3.0,
            config="/c",
            state="/s",
            runtime="/r",
            runtime_name="x",
        )
    )
    assert listing(layout.run) == [
        *("agent.json", "held", "instances", "instances/web-1.json", "names", "names/web.json", "notify")
    ]
    assert json.loads(Path(layout.name_state("web")).read_text())["state"] == "stopped"
    assert mode_of(layout.name_state("web")) == 0o600


def test_a_write_that_fails_leaves_the_old_content(disk: HostDisk, layout: Layout) -> None:
    disk.write_name(NAME)
    before = Path(layout.name_state("web")).read_bytes()
    os.mkdir(f"{layout.names}/.web.json.tmp")
    with pytest.raises(DiskFailed, match=r"^cannot write .*/web.json: Is a directory"):
        disk.write_name(NameState(name="web", state=PublicState.FAILED, since=1.0))
    assert Path(layout.name_state("web")).read_bytes() == before


def test_a_name_is_removed_and_may_be_gone_already(disk: HostDisk, layout: Layout) -> None:
    disk.write_name(NAME)
    disk.remove_name("web")
    disk.remove_name("web")
    assert listing(layout.names) == []


def test_a_full_disk_is_one_line_and_leaves_the_old_content(
    disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.write_name(NAME)
    before = listing(layout.run), Path(layout.name_state("web")).read_bytes()

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(DiskFailed, match=r"^cannot write .*/web\.json: No space left on device$"):
            disk.write_name(NameState(name="web", state=PublicState.FAILED, since=1.0))
        with pytest.raises(DiskFailed, match=r"^cannot store the bundle .*: No space left on device$"):
            disk.store_bundle(make_bundle())
        with pytest.raises(DiskFailed, match=r"^cannot make the instance web-1 .*: No space left on device$"):
            disk.prepare_instance(make_instance(layout, make_bundle()))
    assert (listing(layout.run), Path(layout.name_state("web")).read_bytes()) == before
    assert listing(layout.bundles) == []


def test_an_instance_gets_its_own_config(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    instance = make_instance(layout, bundle)
    disk.store_bundle(bundle)
    disk.prepare_instance(instance)
    assert mode_of(instance.folder) == 0o700
    assert Path(f"{instance.folder}/config.json").read_text() == render_instance(instance)
    assert listing(instance.folder) == ["bundle", "config.json"]
    assert os.readlink(layout.made_from(instance.id)) == layout.bundle(instance.bundle.digest)
    assert os.listdir(layout.roots) == []
    assert os.path.isdir(layout.logs)


def test_files_of_the_bundle_stand_beside_the_config(disk: HostDisk, layout: Layout) -> None:
    files = (BundleFile("/dev/orchestrator/cmd", "echo größer\n"), BundleFile("/etc/app", "x", 0o640))
    bundle = evolve(make_bundle(), files=files)
    instance = make_instance(layout, bundle)
    old = os.umask(0o077)
    try:
        disk.prepare_instance(instance)
    finally:
        os.umask(old)
    assert Path(f"{instance.folder}/files/0").read_text() == "echo größer\n"
    assert [mode_of(f"{instance.folder}/files/{number}") for number in (0, 1)] == [0o444, 0o640]
    config = json.loads(Path(f"{instance.folder}/config.json").read_text())
    assert [(mount["source"], mount["destination"]) for mount in config["mounts"]] == [
        (f"{instance.folder}/files/0", "/dev/orchestrator/cmd"),
        (f"{instance.folder}/files/1", "/etc/app"),
    ]
    disk.remove_instance(instance.id)
    assert listing(layout.instances) == []


def test_variables_of_files_are_read_for_each_instance_and_stand_in_its_config_only(
    disk: HostDisk, layout: Layout, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text("A=1\nB=1\nHOME=/home/web\nOWN=1\n")
    second.write_text("B=two words\n")
    bundle = make_bundle()
    process = {"env": ["HOME=/root", "OWN=kept"]}
    bundle = evolve(
        bundle,
        config={**bundle.config, "process": process},
        env_files=(EnvFileUse(f"{first}", None), EnvFileUse(f"{second}", None)),
        own_env=frozenset({"OWN"}),
    )
    assert read_env(disk, make_instance(layout, bundle)) == ["A=1", "B=two words", "HOME=/home/web", "OWN=kept"]
    second.write_text("")
    assert read_env(disk, make_instance(layout, bundle, "web-2")) == ["A=1", "B=1", "HOME=/home/web", "OWN=kept"]
    assert mode_of(f"{layout.instance('web-2')}/config.json") == 0o600
    disk.store_bundle(bundle)
    disk.write_instance(make_instance_state(layout))
    private = {path for path in Path(layout.run).rglob("*.json") if "two words" in path.read_text()}
    assert private == {Path(layout.instance("web-1"), "config.json")}
    assert json.loads(Path(layout.bundle(bundle.digest), "config.json").read_text())["process"] == process


def read_env(disk: HostDisk, instance: Instance) -> list[str]:
    disk.prepare_instance(instance)
    env: list[str] = json.loads(Path(f"{instance.folder}/config.json").read_text())["process"]["env"]
    return env


def test_a_file_of_variables_that_is_missing_fails_the_start_in_one_line(
    disk: HostDisk, layout: Layout, tmp_path: Path
) -> None:
    bundle = evolve(make_bundle(), env_files=(EnvFileUse(f"{tmp_path}/none.env", None),))
    message = f"^cannot read the variables of {tmp_path}/none.env: no such file or directory$"
    with pytest.raises(DiskFailed, match=message):
        disk.prepare_instance(make_instance(layout, bundle))
    assert listing(layout.instances) == []


def test_a_file_of_variables_that_says_something_else_than_was_planned_fails_the_start(
    disk: HostDisk, layout: Layout, tmp_path: Path
) -> None:
    file = tmp_path / "web.env"
    file.write_text("A=1\n")
    use = EnvFileUse(f"{file}", digest_variables(f"{file}").digest)
    bundle = evolve(make_bundle(), config={**make_bundle().config, "process": {"env": []}}, env_files=(use,))
    file.write_text("A=told-to-nobody\n")
    with pytest.raises(DiskFailed, match=f"^cannot read the variables of {file}: it has changed meanwhile$"):
        disk.prepare_instance(make_instance(layout, bundle))
    assert listing(layout.instances) == []
    file.write_text("A=1\n")
    assert read_env(disk, make_instance(layout, bundle)) == ["A=1"]


def test_a_writable_root_is_fresh_and_goes_with_its_instance(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(readonly=False)
    instance = make_instance(layout, bundle)
    disk.write_instance(make_instance_state(layout))
    disk.prepare_instance(instance)
    assert Path(f"{instance.rootfs}/etc/hostname").read_text() == "web\n"
    Path(f"{instance.rootfs}/etc/hostname").write_text("written by the application")
    disk.prepare_instance(make_instance(layout, bundle, "web-2"))
    assert Path(f"{layout.root('web-2')}/etc/hostname").read_text() == "web\n"
    disk.remove_instance("web-1")
    disk.remove_instance("web-1")
    assert os.listdir(layout.roots) == ["web-2"]
    assert os.listdir(layout.instances) == ["web-2"]


def test_a_preparation_that_fails_leaves_nothing(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle((FolderEntry("/a/b"),), readonly=False)
    with pytest.raises(DiskFailed):
        disk.prepare_instance(make_instance(layout, bundle))
    assert listing(layout.instances) == []
    assert listing(layout.roots) == []


def test_an_id_that_is_used_twice_takes_nothing_from_the_first(disk: HostDisk, layout: Layout) -> None:
    instance = make_instance(layout, make_bundle())
    disk.prepare_instance(instance)
    with pytest.raises(DiskFailed, match=r"^cannot make the instance web-1 in .*: File exists$"):
        disk.prepare_instance(instance)
    assert listing(instance.folder) == ["bundle", "config.json"]


def test_the_sweep_takes_writable_roots_of_another_boot(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(readonly=False)
    for instance_id in ("web-1", "web-2", "web-3"):
        disk.prepare_instance(make_instance(layout, bundle, instance_id))
    disk.write_instance(make_instance_state(layout, "web-2"))
    remove_tree(layout.instance("web-2"))
    remove_tree(layout.instance("web-3"))
    disk.sweep_bundles(())
    assert sorted(os.listdir(layout.roots)) == ["web-1", "web-2"]


def test_a_removal_takes_a_write_that_was_cut_short(disk: HostDisk, layout: Layout) -> None:
    disk.write_instance(make_instance_state(layout))
    Path(f"{layout.instances}/.web-1.json.tmp").touch()
    disk.remove_instance("web-1")
    assert listing(layout.instances) == []


def test_strays_are_folders_that_no_state_file_tells_of(disk: HostDisk, layout: Layout) -> None:
    assert disk.list_strays() == ()
    disk.write_instance(make_instance_state(layout))
    for name in ("web-1", "web-3", "web-2"):
        os.mkdir(layout.instance(name))
    Path(f"{layout.instances}/.web-4.json.tmp").touch()
    assert disk.list_strays() == ("web-2", "web-3")


def test_what_is_damaged_is_set_aside_in_the_place_of_what_was_before(disk: HostDisk, layout: Layout) -> None:
    disk.make_folders()
    place = Path(f"{layout.damaged}/web.json")
    for text in ("first", "second"):
        Path(layout.name_state("web")).write_text(text)
        assert disk.set_aside(layout.name_state("web")) == str(place)
        assert (place.read_text(), listing(layout.names)) == (text, [])
    for _ in range(2):
        os.mkdir(layout.name_state("db"))
        Path(f"{layout.name_state('db')}/file").touch()
        assert disk.set_aside(layout.name_state("db")) == f"{layout.damaged}/db.json"
    assert mode_of(layout.damaged) == 0o700
    with pytest.raises(DiskFailed, match=f"^cannot move {layout.name_state('x')} to {layout.damaged}/x.json: No such"):
        disk.set_aside(layout.name_state("x"))


def test_names_are_forgotten_with_what_was_half_written(disk: HostDisk, layout: Layout) -> None:
    disk.forget_names(())
    disk.write_name(NAME)
    Path(f"{layout.names}/.db.json.tmp").touch()
    disk.forget_names({"web"})
    assert listing(layout.names) == ["web.json"]
    disk.forget_names(())
    assert listing(layout.names) == []


def test_what_was_half_written_of_instances_and_stops_is_cleared_away(disk: HostDisk, layout: Layout) -> None:
    disk.forget_unfinished()
    disk.make_folders()
    disk.hold("web")
    disk.write_instance(make_instance_state(layout))
    before = listing(layout.instances), listing(layout.held)
    Path(f"{layout.instances}/.db-1.json.tmp").write_text("{")
    Path(f"{layout.held}/.db.tmp").touch()
    disk.forget_unfinished()
    assert (listing(layout.instances), listing(layout.held)) == before
    assert before == (["web-1.json"], ["web"])


def test_the_fake_records_and_fails_on_demand(layout: Layout) -> None:
    fake = FakeDisk()
    bundle = make_bundle()
    fake.fail("store_bundle", "it is full", times=2)
    for _ in range(2):
        with pytest.raises(DiskFailed, match=r"^it is full$"):
            fake.store_bundle(bundle)
    fake.store_bundle(bundle)
    fake.prepare_instance(make_instance(layout, bundle))
    fake.write_instance(make_instance_state(layout))
    fake.write_name(NAME)
    assert fake.calls_of("store_bundle") == [bundle]
    assert [name for name, _ in fake.calls] == ["store_bundle", "prepare_instance", "write_instance", "write_name"]
    fake.remove_instance("web-1")
    fake.remove_name("web")
    fake.sweep_bundles(())
    assert (fake.bundles, fake.prepared, fake.instances, fake.names) == ({}, {}, {}, {})


def test_the_fake_refuses_to_fail_in_what_no_disk_does() -> None:
    with pytest.raises(ValueError, match="a disk has no 'explode'"):
        FakeDisk().fail("explode")
