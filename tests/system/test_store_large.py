"""A closure of four thousand store paths, more than any application has: looked up, laid out, stored and run."""

import hashlib
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve, frozen

from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.definition import Definition
from orchestrator.model.facts import HostFacts
from orchestrator.model.layout import Layout
from orchestrator.model.spec import Spec
from orchestrator.model.store import Store
from orchestrator.model.types import AbsolutePath
from orchestrator.system.disk import HostDisk
from orchestrator.system.facts import HostWorld, probe_host
from orchestrator.system.limits import raise_descriptor_limit
from orchestrator.tasks.gather import Asked, gather_facts
from tests.nix.private_store import PrivateStore, make_private_store
from tests.system.helpers_bundles import CGROUPS, RUNTIMES, remove_cgroups
from tests.system.helpers_disk import make_instance
from tests.system.helpers_store import store_of

COUNT = 4000
_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"


@frozen
class Large:
    """A store with many paths, and the one that needs all of them."""

    nix: PrivateStore
    store: Store
    top: str

    @property
    def host(self) -> HostFacts:
        return evolve(probe_host(), store=self.store)


@pytest.fixture(scope="module")
def large() -> Iterator[Large]:
    """Made up and registered, since to build them would take minutes. Not below /tmp: that is the container's own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield make_large(make_private_store(Path(folder)))


def make_large(nix: PrivateStore) -> Large:
    paths = [_make_path(nix, number) for number in range(COUNT)]
    listing = ""
    for number, path in enumerate(paths):
        needs = {paths[number // 2], paths[max(number - 1, 0)], nix.busybox}
        listing += f"{path}\n{'0' * 64}\n1\n\n{len(needs)}\n" + "".join(f"{need}\n" for need in sorted(needs))
    subprocess.run(("nix-store", "--load-db"), env=nix.environment, input=listing, text=True, check=True)
    return Large(nix, store_of(nix), paths[-1])


def _make_path(nix: PrivateStore, number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).digest()
    name = "".join(_ALPHABET[byte % 32] for byte in digest)
    path = f"{nix.folder}/{name}-part-{number}"
    os.mkdir(path)
    Path(path, "number").write_text(str(number))
    return path


def definition_of(large: Large, script: str = "true") -> Definition:
    return Definition(args=("sh", "-c", script), packages=(AbsolutePath(large.nix.busybox), AbsolutePath(large.top)))


def resolve(large: Large, definition: Definition) -> Spec:
    world = HostWorld(large.host)
    facts = trio.run(gather_facts, {"web": Asked(definition)}, world).facts
    spec = resolve_spec("web", definition, facts)
    assert isinstance(spec, Spec), spec
    return spec


def test_it_is_the_closure_that_nix_knows(large: Large) -> None:
    assert sorted(
        mount.destination for mount in resolve(large, definition_of(large)).mounts if "-part-" in mount.source
    ) == (sorted(path for path in large.nix.requisites(large.top) if "-part-" in path))


def test_it_becomes_a_bundle_on_disk(large: Large, tmp_path: Path) -> None:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    bundle = render_bundle(resolve(large, definition_of(large)))
    HostDisk(layout).store_bundle(bundle)
    config = json.loads(Path(layout.bundle(bundle.digest), "config.json").read_text())
    sources = [mount["source"] for mount in config["mounts"] if "-part-" in mount["source"]]
    assert len(sources) == len(set(sources)) == COUNT
    rootfs = Path(layout.bundle(bundle.digest), "rootfs")
    assert len(os.listdir(f"{rootfs}{large.store.folder}")) == COUNT + 1


def test_an_agent_at_work_is_not_held_up(large: Large) -> None:
    """Looked up, laid out and rendered in a fraction of a second; by pairs of paths it would be minutes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    render_bundle(resolve(large, definition_of(large)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


@contextmanager
def few_descriptors(soft: int) -> Iterator[None]:
    """As systemd gives a service, and a shell its children."""
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


@pytest.mark.real
@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_it_runs(large: Large, tmp_path: Path, runtime: str) -> None:
    done = run(large, tmp_path, runtime)
    assert (done.returncode, done.stdout) == (0, f"{COUNT + 1}\n{COUNT - 1}kept\n"), done.stderr


@pytest.mark.real
@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_it_runs_with_what_the_agent_gives_itself_where_a_service_has_less(
    large: Large, tmp_path: Path, runtime: str
) -> None:
    """crun 1.8 has a descriptor open for each mount."""
    with few_descriptors(1024):
        raise_descriptor_limit()
        done = run(large, tmp_path, runtime)
    assert done.returncode == 0, done.stderr


def run(large: Large, tmp_path: Path, runtime: str) -> subprocess.CompletedProcess[str]:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    script = f"ls {large.store.folder} | busybox wc -l; cat {large.top}/number; touch {large.top}/x || echo kept"
    bundle = render_bundle(resolve(large, definition_of(large, script)))
    HostDisk(layout).store_bundle(bundle)
    name = f"large-{runtime}"
    rootfs = os.path.realpath(f"{layout.bundle(bundle.digest)}/rootfs")  # runc takes no link
    instance = evolve(make_instance(layout, bundle, name), rootfs=rootfs, cgroups_path=f"/{CGROUPS}/{name}")
    os.makedirs(instance.folder)
    Path(instance.folder, "config.json").write_text(render_instance(instance))
    command = [*RUNTIMES[runtime], "--root", f"{tmp_path}/root", "run", "--bundle", instance.folder, instance.id]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        remove_cgroups(instance.id)
    return done
