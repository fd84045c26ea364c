"""Attaches a container to a network of CNI's and detaches it: SPEC.md, sections 2 to 4 (1.1.0).

What is done is written down in memory, before and after each plugin: no ADD for what was added already, and for DEL
what ADD has said. What outlives a boot of the host (leases of host-local do) is on disk too, and is undone by the
first who attaches to the network afterwards. Floor: plugin.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from orchestrator.plugin import Container, Host, HostFailed
from orchestrator_networks.conflist import is_newer, list_plugins, list_versions
from orchestrator_networks.executing import INCOMPATIBLE, TRY_AGAIN, Attaching, PluginFailed, Plugins
from orchestrator_networks.network import Network

TRIES = 6
"""Of an attachment to which a plugin says to try again later."""
FIRST_PAUSE = 0.25
"""Seconds before the second; each that follows is twice as long: 7.75 in all."""
ORPHAN_PATIENCE = 20.0
"""Seconds that plugins are waited for which an agent that is gone has started."""

_STATUS_SINCE = "1.1.0"
_GC_SINCE = "1.1.0"
_PREV_RESULT_ON_DEL_SINCE = "0.4.0"
_LARGEST_RECORD = 4 << 20


@frozen(kw_only=True)
class _Record:
    """An attachment, as it is written down."""

    network: Network
    container: str
    version: str
    result: Mapping[str, Any] | None = None
    """What the last plugin said that has come to its end."""
    refused: int | None = None
    """Which plugin has said that it did not add it."""

    @property
    def key(self) -> str:
        return f"{self.container}-{self.network.interface}.json"

    def to_json(self) -> bytes:
        data = {
            "container": self.container,
            "version": self.version,
            "result": self.result,
            "refused": self.refused,
        }
        return json.dumps({**self.network.to_work(), **data}).encode()

    @classmethod
    def from_json(cls, text: bytes | None) -> "_Record | None":
        """None where that was cut short by a power cut."""
        try:
            data = json.loads(text or b"")
            network = Network.from_work(data)
            return cls(
                network=network,
                container=data["container"],
                version=data["version"],
                result=data["result"],
                refused=data["refused"],
            )
        except (ValueError, KeyError, TypeError):
            return None

    def make_config(self, plugin: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON data
        """What a plugin is given: "Deriving execution configuration from plugin configuration" of SPEC.md."""
        declared = plugin.get("capabilities")
        wanted = [name for name, wants in declared.items() if wants] if isinstance(declared, dict) else []
        told = {name: self.network.arguments[name] for name in wanted if name in self.network.arguments}
        config = {key: value for key, value in plugin.items() if key != "capabilities"}
        config |= {"cniVersion": self.version, "name": self.network.name}
        return {**config, **({"runtimeConfig": told} if told else {}), **more}


class Client:
    """Attaches and detaches one container."""

    def __init__(
        self, container: Container, host: Host, *, folder: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """folder: where it is written down, in memory, instead of what all share."""
        self._noted_in = folder or f"{container.shared}/cni"
        self._container = container
        self._host = host
        self._sleep = sleep
        self._plugins = Plugins(host)
        self._pin = f"{container.own}/netns"

    def attach(self, network: Network) -> dict[str, Any]:
        """Add the container, and return what the network says of it. Raises HostFailed."""
        if not self._container.netns:
            raise HostFailed("the container has no network namespace any more")
        if self._find_record(network) is not None:
            self.detach(network, None)
        record = _Record(network=network, container=self._container.instance, version=self._choose_version(network))
        if network.lasting:
            with self._host.lock(f"cni/{network.name}"):
                self._clear_up(record)
        self._check_status(record)
        self._pin_namespace()
        self._note(record)
        if network.lasting:
            self._host.rewrite_file(self._kept(record), record.to_json())
        for count in range(TRIES):
            try:
                return self._add(record)
            except PluginFailed as error:
                if error.code != TRY_AGAIN or count == TRIES - 1:
                    raise
            self._delete(self._find_record(network) or record, self._pin)
            self._note(record)
            self._sleep(FIRST_PAUSE * 2**count)
        raise AssertionError("the last try returns or raises")

    def detach(self, network: Network, result: Mapping[str, Any] | None) -> None:
        """Delete the container, as far as it was added. result: what `attach` returned; None where it did not come to
        its end. Raises HostFailed."""
        record = self._find_record(network)
        if record is None and result is None:
            self._unpin_namespace()  # it had not begun
            return
        if record is None:
            version = self._choose_version(network)
            record = _Record(network=network, container=self._container.instance, version=version, result=result)
        if result is None:
            self._await_orphans()
        self._delete(record, self._pin if self._is_pinned() else "")
        self._unpin_namespace()
        self._host.remove(self._kept(record))
        self._host.remove(self._noted(record))

    def _add(self, record: _Record) -> dict[str, Any]:
        """All plugins in their order, each with what the one before has said."""
        about = Attaching(container=record.container, interface=record.network.interface, netns=self._pin)
        result: dict[str, Any] = {}
        for index, plugin in enumerate(record.network.conflist["plugins"]):
            more = {"prevResult": result} if result else {}
            try:
                said = self._plugins.run("ADD", record.make_config(plugin, **more), about)
            except PluginFailed as error:
                self._note(evolve(record, result=result or None, refused=index))
                if error.code == INCOMPATIBLE:
                    self._host.remove(self._versions)  # it may be another plugin than when it was asked
                raise
            result = said or result
            self._note(evolve(record, result=result))
        return result

    def _delete(self, record: _Record, netns: str) -> None:
        """All plugins in reverse order; the first that fails ends it, as SPEC.md has it. But one that has said that it
        did not add it, since what it was told is wrong, may well say the same now: that would be so for ever."""
        about = Attaching(container=record.container, interface=record.network.interface, netns=netns)
        knows = record.result is not None and is_newer(record.version, _PREV_RESULT_ON_DEL_SINCE)
        more = {"prevResult": record.result} if knows else {}
        for index, plugin in reversed(list(enumerate(record.network.conflist["plugins"]))):
            try:
                self._plugins.run("DEL", record.make_config(plugin, **more), about)
            except PluginFailed:
                if record.refused is None or index < record.refused:
                    raise

    def _choose_version(self, network: Network) -> str:
        """The newest version of its that all its plugins speak. Where there is no choice nobody need be asked."""
        versions = list_versions(network.conflist)
        if len(versions) == 1:
            return versions[0]
        spoken = {name: self._ask_versions(name) for name in list_plugins(network.conflist)}
        for version in versions:
            if all(version in each for each in spoken.values()):
                return version
        said = "; ".join(f"{name} speaks {', '.join(each)}" for name, each in spoken.items())
        raise HostFailed(f'the network "{network.name}" may speak {", ".join(versions)}, but {said}')

    @property
    def _versions(self) -> str:
        return f"{self._container.shared}/cni/versions.json"

    def _ask_versions(self, plugin: str) -> tuple[str, ...]:
        """What a plugin speaks, asked once until the host is booted, or until one is found to speak otherwise."""
        path = self._plugins.find(plugin)
        with self._host.lock("cni"):
            known = _read_object(self._host.read_file(self._versions))
            if path not in known:
                known[path] = list(self._plugins.ask_versions(plugin))
                self._host.write_file(self._versions, json.dumps(known).encode())
        return tuple(known[path])

    def _check_status(self, record: _Record) -> None:
        """Whether the plugins are ready, where they can tell (SPEC.md, "STATUS")."""
        if is_newer(record.version, _STATUS_SINCE):
            for plugin in record.network.conflist["plugins"]:
                self._plugins.run("STATUS", record.make_config(plugin))

    # What outlives a boot

    def _clear_up(self, record: _Record) -> None:
        """Undo what containers have left of before the last boot, and have plugins forget whom they need not know."""
        network = record.network
        # Others attach meanwhile, and are in the first folder before they are in the second: so that is listed first.
        kept = self._host.list_folder(self._kept_folder(network))
        there = set(self._host.list_folder(self._folder(network)))
        gone = [name for name in kept if name not in there]
        for name in gone:
            path = f"{self._kept_folder(network)}/{name}"
            old = _Record.from_json(self._host.read_file(path, limit=_LARGEST_RECORD))
            with contextlib.suppress(HostFailed):  # then it is tried again by who comes next
                if old is not None:
                    self._delete(old, "")
                self._host.remove(path)
        seen = f"{self._container.shared}/cni/seen/{network.name}"
        if gone or self._host.read_file(seen) is None:
            self._collect(record)
            self._host.write_file(seen, b"")

    def _collect(self, record: _Record) -> None:
        """GC (SPEC.md): whom a plugin remembers and is not named is forgotten. It is for tidiness alone, so that what
        fails keeps no container from its network."""
        conflist = record.network.conflist
        if not is_newer(record.version, _GC_SINCE) or conflist.get("disableGC") in (True, "true"):
            return
        valid = {"cni.dev/valid-attachments": [*self._list_valid(record.network)]}
        for plugin in conflist["plugins"]:
            with contextlib.suppress(HostFailed):
                self._plugins.run("GC", record.make_config(plugin, **valid))

    def _list_valid(self, network: Network) -> Iterator[Mapping[str, str]]:
        for name in self._host.list_folder(self._folder(network)):
            if name.startswith("."):
                continue  # it is being written
            path = f"{self._folder(network)}/{name}"
            record = _Record.from_json(self._host.read_file(path, limit=_LARGEST_RECORD))
            if record is not None:
                yield {"containerID": record.container, "ifname": record.network.interface}

    # What is written down

    def _folder(self, network: Network) -> str:
        return f"{self._noted_in}/attached/{network.name}"

    def _kept_folder(self, network: Network) -> str:
        return f"{self._container.kept}/cni/attached/{network.name}"

    def _noted(self, record: _Record) -> str:
        return f"{self._folder(record.network)}/{record.key}"

    def _kept(self, record: _Record) -> str:
        return f"{self._kept_folder(record.network)}/{record.key}"

    def _note(self, record: _Record) -> None:
        self._host.write_file(self._noted(record), record.to_json(), mode=0o600)

    def _find_record(self, network: Network) -> _Record | None:
        wanted = _Record(network=network, container=self._container.instance, version="")
        text = self._host.read_file(self._noted(wanted), limit=_LARGEST_RECORD)
        return None if text is None else _Record.from_json(text)

    # The namespace, held by a mount: what a plugin does inside can be undone there too

    def _pin_namespace(self) -> None:
        self._unpin_namespace()
        self._host.write_file(self._pin, b"")
        self._host.mount(self._container.netns, self._pin, "", ("bind",))

    def _is_pinned(self) -> bool:
        """Whether it is still there: not if it was mounted by an agent with mounts of its own that is gone."""
        try:
            return bool(self._host.read_file(self._pin))
        except HostFailed:
            return True  # a namespace cannot be read, and the empty file below it can

    def _unpin_namespace(self) -> None:
        self._host.unmount(self._pin)
        self._host.remove(self._pin)

    def _await_orphans(self) -> None:
        """Wait for plugins at work for this container that a killed agent has started: what they add after a DEL would
        stay. Raises HostFailed if they do not end."""
        mark = f"CNI_CONTAINERID={self._container.instance}\0".encode()
        waited = 0.0
        while orphans := [pid for pid in self._host.list_folder("/proc") if pid.isdigit() and self._has(pid, mark)]:
            if waited >= ORPHAN_PATIENCE:
                raise HostFailed(f"a CNI plugin is still at work for it: process {orphans[0]}")
            self._sleep(FIRST_PAUSE)
            waited += FIRST_PAUSE

    def _has(self, pid: str, mark: bytes) -> bool:
        """Whether a process is a plugin's, or a script's that is one; what a plugin has left to run is none."""
        try:
            if mark not in (self._host.read_file(f"/proc/{pid}/environ") or b""):
                return False
            words = (self._host.read_file(f"/proc/{pid}/cmdline") or b"").decode(errors="replace").split("\0")[:2]
        except HostFailed:
            return False  # it has ended meanwhile
        return any(word.startswith(f"{folder}/") for word in words for folder in self._plugins.folders)


def _read_object(text: bytes | None) -> dict[str, Any]:
    try:
        read = json.loads(text or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
