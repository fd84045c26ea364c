"""Puts a bundle on disk by the plainest means and runs it with a runtime's own `run`, without anything of the agent."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from attrs import frozen

from orchestrator.core.files import LIVE
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.bundle import Instance
from orchestrator.model.definition import Definition
from orchestrator.model.entry import FileEntry, FolderEntry, LinkEntry
from orchestrator.model.rootfs import HostRootfs
from orchestrator.model.spec import ReadySpec, SkeletonRoot, Spec
from orchestrator.system.bundles import write_files
from orchestrator.system.envfile import VariableReader
from orchestrator.system.facts import HostWorld
from orchestrator.tasks.gather import Asked, gather_facts
from tests.host import host_view

RUNTIMES = {
    "runc": ("runc",),
    # crun 1.8 takes a hybrid of cgroup v1 and v2 for v2; without the unified mount it is v1.
    "crun": ("unshare", "-m", "sh", "-c", 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh", "crun"),
}

CGROUPS = "orchestrator-bundle-tests"


@frozen
class Ran:
    """What a container said and how it ended."""

    code: int
    out: str
    err: str


def shell(script: str) -> Definition:
    """A script with the host's own programs."""
    return Definition(args=("sh", "-c", script), rootfs=HostRootfs())


def status_of(ran: Ran) -> dict[str, str]:
    """The lines ``Key:<tab>value`` of what was printed, as /proc/PID/status has them."""
    assert ran.code == 0, ran.err
    pairs = (line.split(":\t") for line in ran.out.splitlines() if ":\t" in line)
    return {key: value.strip() for key, value in pairs}


def run_definition(definition: Definition, runtime: str, folder: Path, world: HostWorld | None = None) -> Ran:
    """Run a definition to its end below the empty ``folder``, and leave nothing of it but what is in there."""
    name = f"t-{folder.name}"
    world = world or HostWorld.probe()
    spec = resolve_spec(name, definition, trio.run(gather_facts, {name: Asked(definition)}, world).facts)
    assert isinstance(spec, Spec | ReadySpec), spec
    bundle = render_bundle(spec)
    rootfs = folder / "rootfs"
    if isinstance(bundle.root, SkeletonRoot):
        rootfs.mkdir()
        for entry in bundle.root.entries:
            place = Path(f"{rootfs}{entry.path}")
            match entry:
                case FolderEntry(mode=mode):
                    place.mkdir()
                    place.chmod(mode)
                case FileEntry(text=text):
                    place.write_text(text)
                case LinkEntry(target=target):
                    place.symlink_to(target)
    else:
        rootfs = Path(bundle.root.path)
    instance = Instance(
        id=name,
        name=name,
        bundle=bundle,
        resources=definition.resources,
        folder=f"{folder}",
        rootfs=f"{rootfs}",
        cgroups_path=f"/{CGROUPS}/{name}",
        log=f"{folder}/log",
        live=f"{folder}/{LIVE}",
    )
    write_files(instance.folder, bundle.files)
    write_files(instance.folder, spec.live, LIVE)
    (folder / "config.json").write_text(render_instance(instance, VariableReader().read(bundle.env_files)))
    command = [*RUNTIMES[runtime], "--root", f"{folder}/state", "run", "--bundle", f"{folder}", name]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        remove_cgroups(name)
    return Ran(done.returncode, done.stdout, done.stderr)


def find_cgroups(name: str) -> list[Path]:
    """The groups of a container, in every hierarchy."""
    return host_view.find_cgroups(f"/{CGROUPS}/{name}")


def remove_cgroups(name: str) -> None:
    """Remove them, and the group above them where no other is in it."""
    for path in find_cgroups(name):
        path.rmdir()
    for path in host_view.find_cgroups(f"/{CGROUPS}"):
        if not any(child.is_dir() for child in path.iterdir()):
            path.rmdir()


@contextmanager
def mounted_tmpfs(place: Path) -> Iterator[Path]:
    """A tmpfs at the new folder ``place``."""
    place.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", f"{place}"), check=True)
    try:
        yield place
    finally:
        subprocess.run(("umount", f"{place}"), check=True)
