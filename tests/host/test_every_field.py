"""Each field of the model with the example that it declares, run by a real agent: what the reference shows works.

The fields are walked, so one that is added runs here too; what it needs beside it is in `COMPANIONS`.
"""

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from orchestrator.core.values import check_name
from orchestrator.core.weights import is_of_cpu
from orchestrator.model.definition import Definition
from orchestrator.model.option import options_of
from orchestrator.model.registry import Group
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.controllers import find_host_limits
from orchestrator.system.entrypoints import load_registry
from tests.host.agent_process import AgentProcess, definition, find_program
from tests.host.host_stores import make_chroot_store
from tests.host.host_view import make_busybox_root
from tests.nix.private_store import make_private_store

pytestmark = pytest.mark.real

STAYS = "trap 'exit 0' TERM INT QUIT; sleep 100000 & wait"
BY_INTERRUPT = 'stop.signal = "SIGINT"'
"""Python's server ends by itself on this one only."""

COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "args": (BY_INTERRUPT,),
    "cmd": (BY_INTERRUPT, 'mounts."/srv" = { source = "/srv/data" }'),
    "shell": (f"cmd = '''{STAYS}'''",),
    "type": ('args = ["/bin/true"]',),
    "packages": (f"cmd = '''{STAYS}'''",),
    "rootfs.store": (f"cmd = '''{STAYS}'''", 'packages = ["/srv/chroot/busybox"]'),
    "resources.memory_swap": ('resources.memory = "256M"',),
    "restart.max_restarts": ('restart.window = "1m"',),
    "ready": (f"cmd = '''systemd-notify --ready; {STAYS}'''",),
}
"""The lines that a field needs beside its own and that are no part of its value."""

PLACES: Mapping[str, str] = {
    "rootfs.store": '{{ type = "closure", store = {} }}',
    "rootfs.path": '{{ type = "directory", path = {} }}',
    "log.max_size": '{{ type = "file", max_size = {} }}',
    "env_files.path": "[{{ path = {} }}]",
    "env_files.watch": '[{{ path = "/etc/web.env", watch = {} }}]',
    "devices.path": "[{{ path = {} }}]",
    "devices.destination": '[{{ path = "/dev/fuse", destination = {} }}]',
    "devices.access": '[{{ path = "/dev/fuse", access = {} }}]',
    "health.args": '{{ type = "exec", args = {} }}',
    "health.failures": '{{ type = "exec", args = ["true"], failures = {} }}',
    "health.host": '{{ type = "tcp", port = 5432, host = {} }}',
    "health.path": '{{ type = "http", port = 8080, path = {} }}',
    "health.period": '{{ type = "exec", args = ["true"], period = {} }}',
    "health.port": '{{ type = "tcp", port = {} }}',
    "health.start_period": '{{ type = "exec", args = ["true"], start_period = {} }}',
    "health.timeout": '{{ type = "exec", args = ["true"], timeout = {} }}',
    "health.tls": '{{ type = "http", port = 8080, tls = {} }}',
    "rlimits.hard": "{{ nofile = {{ hard = {} }} }}",
    "rlimits.soft": "{{ nofile = {{ soft = {}, hard = 4096 }} }}",
    "mounts.bind.source": '{{ "/data" = {{ source = {} }} }}',
    "mounts.bind.create": '{{ "/data" = {{ source = "/srv/data", create = {} }} }}',
    "mounts.bind.owner": '{{ "/data" = {{ source = "/srv/data", create = true, owner = {} }} }}',
    "mounts.bind.mode": '{{ "/data" = {{ source = "/srv/data", create = true, mode = {} }} }}',
    "mounts.file.text": '{{ "/data" = {{ type = "file", text = {} }} }}',
    "mounts.file.mode": '{{ "/data" = {{ type = "file", text = "x", mode = {} }} }}',
    "mounts.overlay.lower": '{{ "/data" = {{ type = "overlay", lower = {} }} }}',
    "mounts.overlay.upper": '{{ "/data" = {{ type = "overlay", lower = ["/srv/data"], upper = {} }} }}',
    "mounts.overlay.name": '{{ "/data" = {{ type = "overlay", lower = ["/srv/data"], upper = "kept", name = {} }} }}',
    "mounts.overlay.owner": '{{ "/data" = {{ type = "overlay", lower = ["/srv/data"], owner = {} }} }}',
    "mounts.overlay.mode": '{{ "/data" = {{ type = "overlay", lower = ["/srv/data"], mode = {} }} }}',
    "mounts.secret.file": '{{ "/data" = {{ type = "secret", file = {} }} }}',
    "mounts.secret.env": '{{ "/data" = {{ type = "secret", env = {} }} }}',
    "mounts.secret.credential": '{{ "/data" = {{ type = "secret", credential = {} }} }}',
    "mounts.secret.mode": '{{ "/data" = {{ type = "secret", env = "WEB_KEY", mode = {} }} }}',
    "mounts.secret.owner": '{{ "/data" = {{ type = "secret", env = "WEB_KEY", owner = {} }} }}',
    "mounts.secret.watch": '{{ "/data" = {{ type = "secret", file = "/etc/web.key", watch = {} }} }}',
    "mounts.tmpfs.size": '{{ "/data" = {{ type = "tmpfs", size = {} }} }}',
    "mounts.tmpfs.mode": '{{ "/data" = {{ type = "tmpfs", mode = {} }} }}',
    "mounts.tmpfs.owner": '{{ "/data" = {{ type = "tmpfs", owner = {} }} }}',
    "mounts.tmpfs.options": '{{ "/data" = {{ type = "tmpfs", options = {} }} }}',
    "mounts.volume.name": '{{ "/data" = {{ type = "volume", name = {} }} }}',
    "mounts.volume.owner": '{{ "/data" = {{ type = "volume", owner = {} }} }}',
    "mounts.volume.mode": '{{ "/data" = {{ type = "volume", mode = {} }} }}',
    "mounts.volume.options": '{{ "/data" = {{ type = "volume", options = {} }} }}',
    "mounts.bind.options": '{{ "/data" = {{ source = "/srv/data", options = {} }} }}',
    "sockets.stream": "{{ web = {{ stream = {} }} }}",
    "sockets.datagram": "{{ web = {{ datagram = {} }} }}",
    "sockets.mode": '{{ web = {{ stream = "/srv/data/mode.sock", mode = {} }} }}',
    "sockets.owner": '{{ web = {{ stream = "/srv/data/owner.sock", owner = {} }} }}',
    "sockets.nonblocking": '{{ web = {{ stream = "0.0.0.0:80", nonblocking = {} }} }}',
    "sockets.backlog": '{{ web = {{ stream = "0.0.0.0:80", backlog = {} }} }}',
    "sockets.reuse_port": '{{ web = {{ stream = "0.0.0.0:80", reuse_port = {} }} }}',
    "network.container.name": '{{ type = "container", name = {} }}',
}
"""How a value stands in the value of the definition's own field, where a dotted key cannot say it."""


OF_NETWORKS = ("bridge", "cni", "path")
"""Kinds that need a network of the host's: their options are tried in test_bridge.py and test_networks.py."""


def walk(cls: type[Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, "attrs.Attribute[Any]"]]:
    """Every field of an options class and of those in it, by dotted path."""
    hints = get_type_hints(cls)
    for declared in options_of(cls):
        path = (*prefix, declared.alias or declared.name)
        yield ".".join(path), declared
        for part in (hints[declared.name], *get_args(hints[declared.name])):
            if isinstance(part, type) and attrs.has(part):
                yield from walk(part, path)


def all_fields() -> dict[str, "attrs.Attribute[Any]"]:
    """Those of a definition, and those of the built-in kinds."""
    fields = dict(walk(Definition))
    for group, name, kind in load_registry():
        if name in OF_NETWORKS:
            continue
        place = {Group.MOUNTS: "mounts", Group.NETWORKS: "network"}.get(group, group.value)
        fields |= walk(kind, (place, name))
    return fields


FIELDS = all_fields()


def write_definition(path: str, declared: "attrs.Attribute[Any]", host: Mapping[str, str]) -> str:
    """A definition that is made of the example of a field. host: what stands for the paths and names in examples."""
    top = path.partition(".")[0]
    example = declared.metadata["example"]
    line = f"{top} = {PLACES[path].format(example)}" if path in PLACES else f"{path} = {example}"
    lines = [line, *COMPANIONS.get(path, ())]
    keys = {re.split(r"[ .]", each)[0] for each in lines}
    if not keys & {"args", "cmd", "bundle"}:
        args = definition(STAYS).partition("\n")[0]
        lines.append(args)
    if not keys & {"rootfs", "bundle", "packages"}:
        lines.append('rootfs = "host"')
    text = "\n".join(lines) + "\n"
    for written, real in host.items():
        text = text.replace(f'"{written}"', f'"{real}"')
    text = text.replace('"/srv/data/', f'"{host["/srv/data"]}/')
    return _ADDRESS.sub(lambda _: f'"127.0.0.1:{find_free_port()}"', text) if top == "sockets" else text


_ADDRESS = re.compile(r'"(?:0\.0\.0\.0|127\.0\.0\.1):[0-9]+"')


def find_free_port() -> int:
    """One that nobody listens at, also for datagrams."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        port: int = stream.getsockname()[1]
        datagram.bind(("127.0.0.1", port))
        return port


def cannot_weigh_disks(runtime: str) -> bool:
    """Whether ``io_weight`` is refused here: not all kernels have it, and crun 1.8 knows only a file of cgroups v1 that
    kernels no longer have."""
    hierarchies = Cgroups().hierarchies
    if all(is_of_cpu(file) for file in find_host_limits(hierarchies).weight_files):
        return True
    return runtime == "crun" and any(hierarchy.version == 1 for hierarchy in hierarchies)


def make_host(folder: Path, agent: AgentProcess) -> dict[str, str]:
    """What the examples name of a host, made below ``folder``."""
    (folder / "data").mkdir()
    (folder / "web.env").write_text("FROM_FILE=yes\n")
    (hooks := folder / "hooks.d").mkdir()
    hook = {"version": "1.0.0", "hook": {"path": "/bin/true"}, "when": {"always": True}, "stages": ["createRuntime"]}
    (hooks / "true.json").write_text(json.dumps(hook))
    (folder / "web.key").write_text("secret")
    agent.environ |= {"WEB_KEY": "secret", "CREDENTIALS_DIRECTORY": str(folder)}
    store = make_private_store(folder / "nix")
    agent.environ |= store.environment | {"PATH": os.environ["PATH"]}
    chroot = folder / "chroot"
    path = make_chroot_store(chroot, folder / "scratch", store.environment)
    (folder / "bundle.toml").write_text(definition(STAYS))
    built = agent.call("build", str(folder / "bundle.toml"), "-o", str(folder / "bundle"))
    assert built.returncode == 0, built.stderr
    return {
        "/srv/data": str(folder / "data"),
        "/etc/web.env": str(folder / "web.env"),
        "/usr/share/containers/oci/hooks.d": str(hooks),
        "/etc/web.key": str(folder / "web.key"),
        "/srv/alpine": str(make_busybox_root(folder / "alpine", find_program("busybox"))),
        "/srv/bundles/web": str(folder / "bundle"),
        "/nix/var/nix/profiles/default": store.busybox,
        "/srv/chroot": str(chroot),
        "/srv/chroot/busybox": path,
        "amd64": os.uname().machine,
        **({} if Path("/dev/fuse").exists() else {"/dev/fuse": "/dev/zero"}),
    }


def test_every_field_runs_with_its_example(own_agent: AgentProcess, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    host = make_host(folder, own_agent)
    own_agent.define("db", definition(STAYS))  # for those that come after another
    names = {path: f"f-{path.replace('_', '-')}" for path in FIELDS}
    for path, declared in FIELDS.items():
        assert check_name(names[path]) is None
        own_agent.define(names[path], write_definition(path, declared, host))
    done = own_agent.run_here("--once")
    states = dict(row.split()[:2] for row in done.stdout.splitlines() if row.startswith("f-"))
    assert states.keys() == set(names.values()), done
    refused = {name for name, state in states.items() if state not in ("running", "completed")}
    cannot = {names["resources.io_weight"]} if cannot_weigh_disks(own_agent.runtime) else set()
    assert refused == cannot, f"{done.stdout}\n{done.stderr}"
    assert [name for name, state in states.items() if state == "completed"] == [names["type"]]
    assert done.returncode == (1 if cannot else 0)


def test_the_tables_name_fields() -> None:
    assert COMPANIONS.keys() <= FIELDS.keys()
    assert PLACES.keys() <= FIELDS.keys()
