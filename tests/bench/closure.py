"""Store paths as root file systems: the bundle of a large closure against a copy of it by tar, as the ancestor made it;
and from the switch of a profile to the first instruction of the new instance, against create + start by the bare
runtime."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from orchestrator.core.parse import Parser
from orchestrator.model.action import Target
from orchestrator.model.layout import Layout
from orchestrator.model.source import Source
from orchestrator.system.disk import HostDisk
from orchestrator.system.entrypoints import load_registry
from orchestrator.system.facts import HostWorld
from orchestrator.tasks.compile import compile_sources
from tests.bench.agent import Home, make_home, read_name, run_agent, wait_until
from tests.bench.measure import Ratio, Result
from tests.bench.rename import copy_bundle, remove_groups, start_bare, wait_started
from tests.nix.private_store import PrivateStore, make_private_store

FASTER = 0.01
"""The bound of a bundle against tar: a hundredth."""
BOUND = 1.3

PARTS = 10
FILES = 500
SIZE = 100 * 1000
"""5,000 files of 500 MB together, in ten store paths."""


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both, after two rounds that are not counted."""
    with make_home() as home:
        store = make_private_store(home.path / "nix")
        with _use(store):
            return [_measure_bundle(home, store, rounds), _measure_switch(home, store, runtime, rounds)]


@contextmanager
def _use(store: PrivateStore) -> Iterator[None]:
    """Have the agent and this process take it for the host's."""
    own = {name: value for name, value in store.environment.items() if name.startswith("NIX_")}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _measure_bundle(home: Home, store: PrivateStore, rounds: int) -> Ratio:
    """From the text of a definition to its bundle on disk, of which every part is new each time but the store's."""
    program = _fill(store, home.path / "filling")
    closure = store.requisites(program)
    parser, world = Parser(load_registry()), HostWorld.probe()
    ours: list[float] = []
    copied: list[float] = []
    for number in range(max(rounds // 8, 3)):
        disk = HostDisk(Layout(str(home.path / f"state{number}"), str(home.run)))
        disk.make_folders()
        source = Source("web", "web.toml", f'args = ["{program}"]\n')
        began = time.perf_counter()
        result = trio.run(compile_sources, [source], {}, parser, world)["web"].result
        assert isinstance(result, Target), result
        disk.store_bundle(result.bundle)
        disk.keep_store_paths(result.bundle)
        ours.append(time.perf_counter() - began)
        copied.append(_copy_by_tar(closure, home.path / "copy"))
    return Ratio("bundle of a closure of 500 MB in 5,000 files, against tar | tar", ours, copied, FASTER)


def _fill(store: PrivateStore, folder: Path) -> str:
    """A store path that needs ten others with the files."""
    data = random.Random(1).randbytes(SIZE)
    parts = []
    for part in range(PARTS):
        place = folder / f"part{part}"
        place.mkdir(parents=True)
        for number in range(FILES):
            (place / str(number)).write_bytes(data + f"{part} {number}".encode())
        parts.append(store.add(place))
        shutil.rmtree(place)
    return store.derive("program", f"echo {' '.join(parts)} > $out", *parts)


def _copy_by_tar(paths: list[str], target: Path) -> float:
    target.mkdir()
    began = time.perf_counter()
    with subprocess.Popen(["tar", "-cP", *paths], stdout=subprocess.PIPE) as packing:
        subprocess.run(["tar", "-xC", str(target)], stdin=packing.stdout, check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - began
    shutil.rmtree(target)
    return took


def _measure_switch(home: Home, store: PrivateStore, runtime: str, rounds: int) -> Ratio:
    """To and fro between two programs, so that each switch stops an instance and starts another."""
    programs = [_make_program(store, name) for name in ("first", "second")]
    profile = home.path / "profile"
    profile.symlink_to(programs[0])
    text = f'args = ["{profile}/bin/run"]\nmounts."/sync".source = "{home.sync.parent}"\nstop.signal = "KILL"\n'
    (home.definitions / "bench.toml").write_text(text)
    ours: list[float] = []
    bare: list[float] = []
    with run_agent(home, runtime):
        wait_started(home)
        for number in range(rounds + 2):
            _wait_running(home)
            before = (read_name(home, "bench") or {})["instance"]
            began = time.perf_counter()
            _switch(profile, programs[(number + 1) % 2])
            ours.append(wait_started(home) - began)
            _wait_running(home, before)
            bundle = copy_bundle(home, "bench")
            bare.append(start_bare(home, runtime, bundle, f"bare{number}"))
            shutil.rmtree(bundle)
            shutil.rmtree(home.path / "bare-rootfs")
        (home.definitions / "bench.toml").unlink()
        wait_until(lambda: read_name(home, "bench") is None)
    remove_groups()
    return Ratio("profile switch to the new instance's first instruction", ours[2:], bare[2:], BOUND)


def _wait_running(home: Home, before: str = "") -> None:
    """Wait until it runs as another instance than ``before``."""

    def look() -> bool:
        state = read_name(home, "bench") or {}
        return state.get("state") == "running" and state["instance"] != before

    wait_until(look)


def _make_program(store: PrivateStore, name: str) -> str:
    lines = f"#!{store.busybox}/bin/sh\n# {name}\necho > /sync/started\nexec {store.busybox}/bin/sleep 1000\n"
    build = f"mkdir -p $out/bin\ncat > $out/bin/run <<'END'\n{lines}END\nchmod +x $out/bin/run"
    return store.derive(name, build, store.busybox)


def _switch(profile: Path, target: str) -> None:
    """As nix does: a new link that takes the place of the old."""
    draft = profile.with_name(".profile")
    draft.symlink_to(target)
    draft.rename(profile)
