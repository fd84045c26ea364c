"""The `cni` network: any network of CNI's, as an administrator has written it down.

Floor: plugin.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    Guess,
    Host,
    HostName,
    Namespace,
    PathKind,
    PathQuestion,
    Question,
    Stage,
    TextQuestion,
    TextsQuestion,
    Use,
    ask_resolv_conf,
    follow_resolv_conf,
    option,
)
from orchestrator_networks.conflist import (
    FOLDER,
    SUFFIXES,
    Conflist,
    Unusable,
    find_named,
    list_capabilities,
    list_plugins,
    read_conflist,
)
from orchestrator_networks.hardware import check_mac
from orchestrator_networks.installed import find_missing_of, folder_questions
from orchestrator_networks.network import Network
from orchestrator_networks.published import read_ports

_INTERFACE = re.compile(r"[^/:\s]{1,15}")
_FILES = TextsQuestion(FOLDER, SUFFIXES)


@frozen(kw_only=True)
class Bandwidth:
    """The most that goes through the interface: bits a second, and bits at once beyond that."""

    ingress_rate: int = option(
        default=0,
        doc="Into the container, in bits a second; 0 for no bound.",
        change=Change.REPLACE,
        minimum=0,
        example="8000000",
    )
    ingress_burst: int = option(
        default=0, doc="Beyond that at once, in bits.", change=Change.REPLACE, minimum=0, example="1000000"
    )
    egress_rate: int = option(
        default=0,
        doc="Out of the container, in bits a second; 0 for no bound.",
        change=Change.REPLACE,
        minimum=0,
        example="8000000",
    )
    egress_burst: int = option(
        default=0, doc="Beyond that at once, in bits.", change=Change.REPLACE, minimum=0, example="1000000"
    )


@frozen(kw_only=True)
class Dns:
    """Name servers, for plugins that set them up."""

    servers: tuple[str, ...] = option(
        default=(), doc="Their addresses.", change=Change.REPLACE, example='["10.40.0.1"]'
    )
    searches: tuple[str, ...] = option(
        default=(), doc="Where short names are searched.", change=Change.REPLACE, example='["example.org"]'
    )


@frozen(kw_only=True)
class CniNetwork:
    """A network of CNI's: a conflist."""

    type: ClassVar[str] = "cni"
    name: str | None = option(
        default=None,
        doc="The `name` in a file of /etc/cni/net.d; of two such files the first by its own name counts.",
        change=Change.REPLACE,
        example='"backend"',
    )
    path: AbsolutePath | None = option(
        default=None, doc="A file with the conflist, instead.", change=Change.REPLACE, example='"/srv/backend.conflist"'
    )
    text: str | None = option(
        default=None,
        doc="The conflist itself, instead: JSON.",
        change=Change.REPLACE,
        example='\'\'\'{"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "macvlan"}]}\'\'\'',
    )
    interface: str = option(
        default="eth0", doc="What the interface is called inside.", change=Change.REPLACE, example='"net0"'
    )
    ports: tuple[str, ...] = option(
        default=(),
        doc="Ports of the host that lead inside: `[ADDRESS:]PORT:PORT[/PROTOCOL]` (capability portMappings).",
        change=Change.REPLACE,
        example='["8080:80"]',
    )
    addresses: tuple[str, ...] = option(
        default=(),
        doc="Fixed addresses, with their prefix or without (capability ips).",
        change=Change.REPLACE,
        example='["10.40.0.10/24"]',
    )
    mac: str | None = option(
        default=None,
        doc="A fixed hardware address (capability mac).",
        change=Change.REPLACE,
        example='"02:42:0a:28:00:0a"',
    )
    bandwidth: Bandwidth | None = option(
        default=None,
        doc="The most that goes through the interface (capability bandwidth).",
        change=Change.REPLACE,
        example="{ egress_rate = 8000000, egress_burst = 1000000 }",
    )
    aliases: tuple[HostName, ...] = option(
        default=(), doc="Further names on the network (capability aliases).", change=Change.REPLACE, example='["db"]'
    )
    dns: Dns | None = option(
        default=None,
        doc="Name servers, for plugins that set them up (capability dns).",
        change=Change.REPLACE,
        example='{ servers = ["10.40.0.1"] }',
    )

    def questions(self) -> Iterable[Question]:
        """What the files say, which plugins there are, and what the host's resolv.conf says."""
        yield from folder_questions()
        yield from ask_resolv_conf(own_network=True)
        if self.name is not None:
            yield _FILES
        if self.path is not None:
            yield PathQuestion(self.path)
            yield TextQuestion(self.path, watch=True)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """A namespace, and the conflist as it is now: another one is another container."""
        ports = read_ports(self.ports)
        faults = [*self._find_faults(), *ports.faults]
        conflist = self._find_conflist(facts)
        if isinstance(conflist, Fault):
            return Contribution(faults=(*faults, conflist))
        arguments = self._list_arguments()
        if ports.published:
            arguments["portMappings"] = [each.to_mapping() for each in ports.published]
        faults += _find_unheard(arguments, conflist)
        faults += find_missing_of(list_plugins(conflist), facts)
        network = Network(conflist=conflist, interface=self.interface, arguments=arguments)
        return Contribution(
            namespaces=(Namespace("network"),),
            live=(follow_resolv_conf(facts, own_network=True),),
            attach=(Attachment(stage=Stage.CONNECT, work=network.to_work()),),
            claims=ports.claims,
            faults=tuple(faults),
        )

    def _find_conflist(self, facts: Facts) -> Conflist | Fault:
        given = [key for key in ("name", "path", "text") if getattr(self, key) is not None]
        if len(given) != 1:
            message = "names no network" if not given else f"names its network by {' and '.join(given)}"
            return Fault((), message, "write one of name, path and text")
        if self.name is not None:
            return self._find_named(self.name, facts)
        if self.path is not None:
            return self._read_file(self.path, facts)
        try:
            return read_conflist(self.text or "")
        except Unusable as error:
            return Fault(("text",), f"cannot use the conflist: {error}")

    def _find_named(self, name: str, facts: Facts) -> Conflist | Fault:
        texts = facts.folder_texts[_FILES]
        if texts is None:
            return Fault(("name",), f"cannot look for the network: {FOLDER} cannot be read")
        found, names = find_named(name, texts)
        if found is not None:
            return found
        known = ", ".join(dict.fromkeys(names)) or "none"
        message = f'there is no network "{name}" in {FOLDER}'
        return Fault(("name",), message, f"there is {known}", guess=Guess(name, tuple(names)))

    def _read_file(self, path: AbsolutePath, facts: Facts) -> Conflist | Fault:
        text, answer = facts.texts[TextQuestion(path, watch=True)], facts.paths[path]
        if text is None:
            reasons = {PathKind.MISSING: "no such file or directory", PathKind.DENIED: answer.detail}
            why = reasons.get(answer.kind, "it is no file of at most 1 MiB that may be opened")
            return Fault(("path",), f'cannot use "{path}": {why}')
        try:
            return read_conflist(text)
        except Unusable as error:
            return Fault(("path",), f'cannot use "{path}": {error}')

    def _find_faults(self) -> Iterator[Fault]:
        if not _INTERFACE.fullmatch(self.interface) or self.interface in (".", "..", "lo"):
            hint = "15 characters at most, without a slash, a colon or a space"
            yield Fault(("interface",), f'"{self.interface}" is not the name of an interface', hint)
        if self.mac is not None and not check_mac(self.mac):
            yield Fault(("mac",), f'"{self.mac}" is no hardware address of one', 'write "02:42:0a:28:00:0a"')
        for index, address in enumerate(self.addresses):
            if not _is_address(address):
                yield Fault(("addresses", index), f'"{address}" is no IP address', 'write "10.40.0.10/24"')
        for index, address in enumerate(self.dns.servers if self.dns else ()):
            if "/" in address or not _is_address(address):
                yield Fault(("dns", "servers", index), f'"{address}" is no IP address', 'write "10.40.0.1"')

    def _list_arguments(self) -> dict[str, Any]:
        """What plugins are told, as CONVENTIONS.md has it, by capability; but for ports."""
        arguments: dict[str, Any] = {}
        if self.addresses:
            arguments["ips"] = list(self.addresses)
        if self.mac is not None:
            arguments["mac"] = self.mac.lower()
        if self.bandwidth is not None:
            rates = {
                "ingressRate": self.bandwidth.ingress_rate,
                "ingressBurst": self.bandwidth.ingress_burst,
                "egressRate": self.bandwidth.egress_rate,
                "egressBurst": self.bandwidth.egress_burst,
            }
            arguments["bandwidth"] = {key: value for key, value in rates.items() if value}
        if self.aliases:
            arguments["aliases"] = list(self.aliases)
        if self.dns is not None:
            dns = {"servers": list(self.dns.servers), "searches": list(self.dns.searches)}
            arguments["dns"] = {key: value for key, value in dns.items() if value}
        return arguments

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        """Add the container to the network. Raises HostFailed."""
        from orchestrator_networks.client import Client  # of a look at definitions it is no part

        return Client(container, host).attach(Network.from_work(work))

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Delete it there. Raises HostFailed."""
        from orchestrator_networks.client import Client  # as above

        Client(container, host).detach(Network.from_work(work), state)


_KEYS = {"portMappings": "ports", "ips": "addresses"}
"""The option of a capability, where it is called otherwise."""


def _find_unheard(arguments: Mapping[str, Any], conflist: Conflist) -> Iterator[Fault]:
    """What no plugin wants to hear of: it would be without effect, and nobody would know."""
    heard = list_capabilities(conflist)
    for name in arguments:
        if name not in heard:
            message = f'no plugin of the network "{conflist["name"]}" has the capability {name}'
            hint = f'write "capabilities": {{"{name}": true}} at a plugin of the conflist that has it'
            yield Fault((_KEYS.get(name, name),), message, hint)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True
