"""CNI's plugins on a host in memory: each keeps what it has added, and says what a real one would."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from orchestrator.plugin import Container, Ran
from orchestrator.testing.plugin_host import Command, FakeHost

FOLDER = "/opt/cni/bin"
NETNS = "/proc/7/ns/net"
STAT = b"7 (a b) " + b" ".join(str(number).encode() for number in range(3, 40))


def make_container(instance: str = "web-1", pid: int | None = 7) -> Container:
    return Container(
        name="web",
        instance=instance,
        own=f"/run/own/{instance}",
        scratch=f"/var/scratch/{instance}",
        shared="/run/shared",
        kept="/var/kept",
        pid=pid,
    )


@define
class Call:
    """What a plugin was told."""

    plugin: str
    command: str
    config: dict[str, Any]
    env: Mapping[str, str]


@define
class CniHost:
    """A host with some plugins. ``calls`` are theirs, in order; ``says`` is what one answers instead."""

    host: FakeHost
    versions: tuple[str, ...] = ("0.4.0", "1.0.0")
    calls: list[Call] = field(factory=list)
    says: dict[tuple[str, str], list[Mapping[str, Any]]] = field(factory=dict)
    """By plugin and command: errors of SPEC.md, section 5, each once."""

    @classmethod
    def with_plugins(cls, *names: str, versions: tuple[str, ...] = ("0.4.0", "1.0.0")) -> "CniHost":
        files = {NETNS: b"namespace", "/proc/7/stat": STAT, **{f"{FOLDER}/{name}": b"" for name in names}}
        made = cls(FakeHost(files), versions)
        for name in names:
            made.host.reply(f"{FOLDER}/{name}", made.answer)
        return made

    def fail(
        self, plugin: str, command: str, code: int, message: str = "no", times: int = 1, details: str = ""
    ) -> None:
        said = {"cniVersion": "1.0.0", "code": code, "msg": message, "details": details}
        self.says.setdefault((plugin, command), []).extend([said] * times)

    def answer(self, command: Command) -> Ran:
        plugin, env, config = command.args[0].rpartition("/")[2], dict(command.env or {}), json.loads(command.stdin)
        verb = env["CNI_COMMAND"]
        self.calls.append(Call(plugin, verb, config, env))
        if failures := self.says.get((plugin, verb)):
            return Ran(1, json.dumps(failures.pop(0)).encode(), b"")
        key = f"{plugin} {env.get('CNI_CONTAINERID')} {env.get('CNI_IFNAME')}"
        if verb == "VERSION":
            return Ran(0, json.dumps({"cniVersion": "1.0.0", "supportedVersions": self.versions}).encode(), b"")
        if verb == "ADD":
            assert key not in self.host.resources, f"{key} is added twice"
            assert env["CNI_NETNS"] in [mount.target for mount in self.host.mounts], env["CNI_NETNS"]
            self.host.resources.add(key)
            result = config.get("prevResult") or {
                "cniVersion": config["cniVersion"],
                "ips": [{"address": "10.1.0.2/24"}],
            }
            return Ran(0, json.dumps({**result, "last": plugin}).encode(), b"")
        if verb == "DEL":
            self.host.resources.discard(key)
        return Ran(0, b"", b"")

    def verbs(self) -> list[str]:
        """What was run, in order: ``ADD bridge``."""
        return [f"{call.command} {call.plugin}" for call in self.calls]
