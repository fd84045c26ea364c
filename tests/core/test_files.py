"""The files that a bundle brings along: the script of `cmd`, and what plugins have for a root that is left as it is."""

import json

import attrs
import pytest

from orchestrator.core.files import SCRIPT, entry_files, mount_files
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.model.contribution import BundleFile
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.entry import Entry, FileEntry, FolderEntry
from orchestrator.model.log import FileLog, NoLog
from orchestrator.model.oci import Mount
from orchestrator.model.rootfs import HostRootfs
from orchestrator.model.types import AbsolutePath, EnvName, Size
from tests.core.helpers_world import host_definition, instance_of, resolve


def script(text: str) -> Definition:
    return Definition(cmd=text, rootfs=HostRootfs())


@pytest.mark.parametrize("text", ["echo", "echo\n", 'echo "a"\necho $b', "#!/bin/sh\n\n"])
def test_a_script_ends_with_a_whole_line_and_is_else_as_it_was_written(text: str) -> None:
    (file,) = resolve(script(text)).files
    assert file.text == (text if text.endswith("\n") else text + "\n")
    assert (file.path, file.mode) == (SCRIPT, 0o444)


def test_the_lines_are_in_the_digest_and_not_in_the_config() -> None:
    one, other = render_bundle(resolve(script("echo one"))), render_bundle(resolve(script("echo two")))
    assert one.config == other.config
    assert one.digest != other.digest
    assert one.digest == render_bundle(resolve(script("echo one\n"))).digest


def test_files_are_mounted_last_from_the_instances_folder_or_the_bundles() -> None:
    instance = instance_of(render_bundle(resolve(script("echo"))))
    for folder, source in ((instance.folder, f"{instance.folder}/files/0"), ("", "files/0")):
        config = json.loads(render_instance(attrs.evolve(instance, folder=folder)))
        assert config["mounts"][-1]["source"] == source
        assert [mount["destination"] for mount in config["mounts"]].count(SCRIPT) == 1


def test_only_what_has_a_text_is_a_file_and_what_a_mount_hides_is_none() -> None:
    entries: tuple[Entry, ...] = (
        FileEntry("/b", "first"),
        FileEntry("/b", "second", 0o600),
        FileEntry("/a/x", "x"),
        FileEntry("/mounted", "hidden"),
        FileEntry("/mounted/below", "hidden"),
        FileEntry("/empty"),
        FolderEntry("/folder"),
    )
    files = entry_files(entries, [Mount("/mounted", "bind", "/srv")])
    assert files == (BundleFile("/a/x", "x", 0o644), BundleFile("/b", "second", 0o600))
    assert [mount.destination for mount in mount_files(files, "/run/x")] == ["/a/x", "/b"]


def test_where_the_output_goes_is_in_the_digest_and_how_much_is_kept_is_not() -> None:
    digests = [
        render_bundle(resolve(host_definition(log=log))).digest
        for log in (FileLog(), FileLog(max_size=Size(1 << 20)), NoLog())
    ]
    assert digests[0] == digests[1] != digests[2]


def test_who_has_set_a_variable_counts_only_beside_files() -> None:
    def digest(**changes: object) -> str:
        return render_bundle(resolve(host_definition(**changes))).digest

    as_by_default = {EnvName("HOSTNAME"): "web"}
    files = (EnvFile(path=AbsolutePath("/etc/web.env")),)
    assert digest() == digest(env=as_by_default)
    assert digest(env_files=files) != digest(env_files=files, env=as_by_default)


def test_a_file_that_is_not_watched_is_in_the_digest_by_its_path() -> None:
    def digest(path: str, *, watch: bool) -> str:
        files = (EnvFile(path=AbsolutePath(path), watch=watch),)
        return render_bundle(resolve(host_definition(env_files=files))).digest

    digests = {digest(path, watch=watch) for path in ("/etc/web.env", "/etc/more.env") for watch in (True, False)}
    assert len(digests) == 4
