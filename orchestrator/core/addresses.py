"""The texts that say whom a probe or an order is about: names of containers, IP addresses, paths of requests.

Floor: core.
"""

import ipaddress
import re

from orchestrator.core.suggest import quote
from orchestrator.model.problem import Fault
from orchestrator.model.types import NAME_PATTERN, ContainerName, ProbeHost, UrlPath

LOCALHOST = ProbeHost("127.0.0.1")
URL_PATH = r"/[!-~]*"
"""The origin-form of a request target (RFC 9112, 3.2.1), as far as it is to be written here: no space, ASCII."""


def parse_container_name(text: str) -> ContainerName | Fault:
    """The name of a container."""
    if re.fullmatch(NAME_PATTERN, text):
        return ContainerName(text)
    hint = "it is that of its file without the suffix: small letters, digits, '.', '_' and '-', 63 at most"
    return Fault((), f"{quote(text)} is not the name of a container", hint)


def parse_url_path(text: str) -> UrlPath | Fault:
    """The path of a request, with a query or without."""
    if "#" in text:
        return Fault((), f"{quote(text)} has a fragment, which is no part of a request", "take it away, with the #")
    if re.fullmatch(URL_PATH, text):
        return UrlPath(text)
    hint = 'write "/healthz"' if text.startswith("/") else f"write {quote('/' + text)}" if text else 'write "/"'
    return Fault((), f"{quote(text)} is not the path of a request: begins with /, printable ASCII, no space", hint)


def parse_probe_host(text: str) -> ProbeHost | Fault:
    """An IP address, or localhost: names are not looked up, since the container's resolver is not ours."""
    if text == "localhost":
        return LOCALHOST
    try:
        # Without a scope ("%eth0"): that is the number of an interface, which is another in each network.
        return ProbeHost(str(ipaddress.ip_address(text.replace("%", " "))))
    except ValueError:
        return Fault((), f"{quote(text)} is not an IP address", 'write "127.0.0.1", or "::1"')
