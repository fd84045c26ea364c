"""Running a CNI plugin: the protocol of SPEC.md, section 2, "Execution Protocol" (1.1.0).

Which plugins are run, and in which order, is `orchestrator_networks.client`'s work. Floor: plugin.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from orchestrator.plugin import Host, HostFailed, Ran
from orchestrator_networks.conflist import PLUGIN_FOLDERS

INCOMPATIBLE = 1
"""A plugin's error: it does not speak this version."""
TRY_AGAIN = 11
"""A plugin's error: what is in its way may pass."""

PACKAGE = "containernetworking-plugins"
"""The plugins of CNI's own project, as Debian calls them."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Plugins run iptables(8) and others, wherever the agent itself was started from."""
_LONGEST = 500
"""Characters of what a plugin says that people are told."""
_LACKS = (
    "operation not supported",
    "not supported",
    "can't initialize iptables table",
    "could not find chain",
    "no such device",
)
"""What is said where the kernel lacks something."""


class PluginFailed(HostFailed):
    """A plugin has said why it did not do it, or is not there; ``code`` is 0 where it gave none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@frozen(kw_only=True)
class Attaching:
    """What is told to a plugin of the attachment that it is about: the parameters of SPEC.md, section 2."""

    container: str
    interface: str
    netns: str = ""
    """The path of the namespace; empty where there is none any more."""

    def to_environ(self) -> dict[str, str]:
        """As variables."""
        return {"CNI_CONTAINERID": self.container, "CNI_IFNAME": self.interface, "CNI_NETNS": self.netns}


class Plugins:
    """The plugins of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        asked = host.getenv("CNI_PATH") or ""
        self.folders = tuple(folder for folder in asked.split(":") if folder.startswith("/")) or PLUGIN_FOLDERS
        self._found: dict[str, str] = {}

    def find(self, name: str) -> str:
        """The path of a plugin. Raises PluginFailed where there is none."""
        if not self._found:
            for folder in reversed(self.folders):
                self._found |= {each: f"{folder}/{each}" for each in self._host.list_folder(folder)}
        if name not in self._found:
            raise PluginFailed(describe_missing(name, self.folders))
        return self._found[name]

    def ask_versions(self, name: str) -> tuple[str, ...]:
        """The versions that a plugin speaks. Raises HostFailed."""
        ran = self._run(name, "VERSION", {}, {"cniVersion": "1.0.0"})
        versions = _read(ran).get("supportedVersions")
        if not ran.success or not isinstance(versions, list):
            raise _describe_failure(name, "VERSION", ran)
        return tuple(str(version) for version in versions)

    def run(self, command: str, config: Mapping[str, Any], about: Attaching | None = None) -> dict[str, Any]:
        """Run the plugin that ``config`` names, and return what it answers, if anything. Raises PluginFailed,
        HostFailed."""
        name = config["type"]
        ran = self._run(name, command, about.to_environ() if about else {}, config)
        if not ran.success:
            raise _describe_failure(name, command, ran)
        return _read(ran)

    def _run(self, name: str, command: str, environ: Mapping[str, str], config: Mapping[str, Any]) -> Ran:
        path = self._host.getenv("PATH")
        env = {
            "PATH": f"{path}:{_PATH}" if path else _PATH,
            "CNI_COMMAND": command,
            "CNI_PATH": ":".join(self.folders),
            **environ,
        }
        return self._host.run([self.find(name)], stdin=json.dumps(config).encode(), env=env)


def describe_missing(name: str, folders: Sequence[str]) -> str:
    """What to say of a plugin that is not there."""
    return f'there is no CNI plugin "{name}" in {", ".join(folders)} (apt-get install {PACKAGE})'


def _read(ran: Ran) -> dict[str, Any]:
    try:
        said = json.loads(ran.output)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _describe_failure(name: str, command: str, ran: Ran) -> PluginFailed:
    """What a plugin says of its failure, SPEC.md, section 5, "Error"; else what it has written, in one line."""
    said = _read(ran)
    code, parts = said.get("code"), [str(said[key]) for key in ("msg", "details") if said.get(key)]
    text = " ".join(": ".join(parts).split()) or _last_line(ran.output) or _last_line(ran.errors)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    lacks = "; does the kernel have it? see orchestrator doctor" if any(word in text.lower() for word in _LACKS) else ""
    message = f"CNI plugin {name}: {command}: {text or f'exit code {ran.code}, without a word'}{lacks}"
    return PluginFailed(message, code if isinstance(code, int) else 0)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return " ".join(lines[-1].split()) if lines else ""
