"""resolv.conf(5) inside: what the host's says, as far as the container's network can reach what it names.

With a network namespace of its own a container has a loopback of its own too, so a resolver that listens on the host's
is not there. What stands behind the stub of systemd-resolved(8) is told in a file of its own, which is then gone by, as
podman and docker do. They name resolvers of the internet where none is left; who is asked about every name is the
user's to choose, so here there are none then, and a look-up fails at once. Floor: core.
"""

import ipaddress

from orchestrator.model.contribution import LiveFile
from orchestrator.model.facts import Facts, TextQuestion

RESOLV_CONF = TextQuestion("/etc/resolv.conf", watch=True)
UPLINK = TextQuestion("/run/systemd/resolve/resolv.conf", watch=True)
"""The servers that systemd-resolved itself asks (systemd-resolved(8), "/etc/resolv.conf")."""

_STUBS = frozenset({"127.0.0.53", "127.0.0.54"})
_NONE_LEFT = "# No nameserver: those of the host are on its own loopback, which this network does not reach.\n"


def ask_resolv_conf(*, own_network: bool) -> tuple[TextQuestion, ...]:
    """What a kind has to ask for `follow_resolv_conf`. own_network: as of that."""
    return (RESOLV_CONF, UPLINK) if own_network else (RESOLV_CONF,)


def follow_resolv_conf(facts: Facts, *, own_network: bool) -> LiveFile:
    """/etc/resolv.conf for a container, which follows the host's: also where that is a link, or is replaced.

    own_network: the container has a network namespace of its own: nameservers on a loopback are left out, with those of
    systemd-resolved in their place if they are its stub. Without one it says what the host's says, and is mounted only
    where the host's own would be. A host that has none is as one whose file is empty.
    """
    text = facts.texts[RESOLV_CONF] or ""
    if not own_network:
        return LiveFile(RESOLV_CONF.path, text, over_hosts=True)
    servers = _list_servers(text)
    if all(map(_is_here, servers)) and not _STUBS.isdisjoint(servers):
        text = facts.texts[UPLINK] or text
    return LiveFile(RESOLV_CONF.path, _leave_out(text))


def _leave_out(text: str) -> str:
    """Without the nameservers on a loopback. A file that names none means the one at 127.0.0.1 (resolv.conf(5))."""
    lines = [line for line in text.splitlines(keepends=True) if not _is_here(_find_server(line))]
    return "".join(lines if any(map(_find_server, lines)) else (_NONE_LEFT, *lines))


def _list_servers(text: str) -> list[str]:
    return [server for line in text.splitlines() if (server := _find_server(line))]


def _find_server(line: str) -> str:
    """The address of a line ``nameserver ADDRESS``; empty for any other line. The keyword begins the line
    (resolv.conf(5))."""
    keyword, *rest = line.split() or [""]
    return rest[0] if keyword == "nameserver" and rest and line.startswith(keyword) else ""


def _is_here(server: str) -> bool:
    """Whether an address is one of the very host that asks: of a loopback, or the one that stands for any."""
    try:
        address = ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
