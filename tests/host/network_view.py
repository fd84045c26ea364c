"""An agent in a network namespace of the test's own, so that the host's rules stay as they are, and what it has made
there."""

import re
import subprocess
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.host.agent_process import PATIENCE, AgentProcess, find_program
from tests.host.host_view import read_mounts

READER = """
import sys, time, urllib.request
deadline = time.monotonic() + 60
for url in sys.stdin.read().split():
    while True:
        try:
            print(url, urllib.request.urlopen(url, timeout=10).read().decode().strip())
            break
        except OSError as error:
            if time.monotonic() > deadline:
                print(url, error)
                break
            time.sleep(0.05)
"""
"""Reads addresses, one after the other, and says what is there."""


BASE_RULES = """
:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
"""
"""What CNI's plugins make once, whoever uses them, and never take away: no rule of any container."""


class HostNetwork:
    """A network namespace as that of a host of its own, called ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def enter(self, *words: str) -> list[str]:
        """The command line that runs a command in it, and changes nothing else."""
        return [find_program("nsenter"), f"--net=/run/netns/{self.name}", *words]

    def run(self, *words: str, text: str = "", fails: bool = False) -> str:
        """Run a command in it and return what it writes."""
        command = self.enter(find_program(words[0]), *words[1:])
        ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        assert fails or ran.returncode == 0, f"{words}: {ran.stderr}"
        return ran.stdout

    def read_urls(self, urls: Collection[str]) -> dict[str, str]:
        """What is at each address, tried for a while."""
        said = self.run("python3", "-c", READER, text="\n".join(urls))
        return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)

    def list_rules(self) -> list[str]:
        """The rules and chains of its firewall, without the kernel's own chains and those of `BASE_RULES`."""
        lines = self.run("iptables-save").splitlines()
        return [line for line in lines if line.startswith(("-A", ":CNI")) and line not in BASE_RULES.splitlines()]

    def list_links(self) -> list[str]:
        """Its interfaces."""
        return sorted(line.split(":")[1].split("@")[0].strip() for line in self.run("ip", "-o", "link").splitlines())

    def list_addresses(self) -> list[str]:
        """Its addresses of IPv4."""
        return sorted(line.split()[3] for line in self.run("ip", "-o", "-4", "address").splitlines())


@contextmanager
def make_network() -> Iterator[HostNetwork]:
    """A namespace with a loopback that is up."""
    network = HostNetwork(f"orchestrator-{uuid.uuid4().hex[:8]}")
    subprocess.run([find_program("ip"), "netns", "add", network.name], check=True)
    try:
        network.run("ip", "link", "set", "lo", "up")
        yield network
    finally:
        subprocess.run([find_program("ip"), "netns", "delete", network.name], check=True)


class NetworkedAgent(AgentProcess):
    """An agent for which a namespace is the host's network."""

    network: HostNetwork

    def command(self, *options: str) -> list[str]:
        return self.network.enter(*super().command(*options))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        for mount in re.findall(rf" ({re.escape(str(self.base))}/\S+) ", Path("/proc/self/mountinfo").read_text()):
            subprocess.run([find_program("umount"), "--lazy", mount], check=True)  # what a failed test has left


def mounts_of(agent: AgentProcess) -> list[str]:
    """What is mounted in the agent's directories; others may mount and unmount beside."""
    return [line for line in read_mounts("self") if f" {agent.base}/" in line]
