"""resolv.conf inside: what the host's says, without what the container's network cannot reach."""

import pytest

from orchestrator.core.resolvconf import RESOLV_CONF, UPLINK, ask_resolv_conf, follow_resolv_conf
from orchestrator.model.contribution import LiveFile
from orchestrator.model.facts import Facts
from tests.core.helpers_world import HOST

STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org\n"
REAL = "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example.org\n"
NOTE = "# No nameserver: those of the host are on its own loopback, which this network does not reach.\n"


def text_of(says: str | None, uplink: str | None = None, *, own_network: bool = True) -> str:
    file = follow_resolv_conf(Facts(HOST, texts={RESOLV_CONF: says, UPLINK: uplink}), own_network=own_network)
    assert (file.path, file.mode, file.over_hosts) == ("/etc/resolv.conf", 0o444, not own_network)
    return file.text


def test_its_questions_are_watched_and_are_all_that_it_needs() -> None:
    assert all(question.watch for question in ask_resolv_conf(own_network=True))
    (question,) = ask_resolv_conf(own_network=False)
    facts = Facts(HOST, texts={question: STUB})
    assert follow_resolv_conf(facts, own_network=False) == LiveFile("/etc/resolv.conf", STUB, over_hosts=True)


@pytest.mark.parametrize("says", [STUB, REAL, "", "nameserver 127.0.0.1\n"])
def test_on_the_network_of_the_host_it_says_what_the_host_says(says: str) -> None:
    assert text_of(says, REAL, own_network=False) == says


@pytest.mark.parametrize(
    ("says", "inside"),
    [
        (REAL, REAL),
        ("# by hand\nnameserver 192.0.2.1 # the first\n", "# by hand\nnameserver 192.0.2.1 # the first\n"),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n"),
        ("nameserver\t::1\nnameserver 192.0.2.1", "nameserver 192.0.2.1"),
        ("nameserver ::ffff:127.0.0.1\nnameserver 0.0.0.0\nnameserver fe80::1%eth0\n", "nameserver fe80::1%eth0\n"),
        # The keyword begins its line (resolv.conf(5)), so this one names none.
        (" nameserver 127.0.0.1\nnameserver 192.0.2.1\n", " nameserver 127.0.0.1\nnameserver 192.0.2.1\n"),
    ],
)
def test_in_a_network_of_its_own_those_on_a_loopback_are_left_out(says: str, inside: str) -> None:
    assert text_of(says) == inside


def test_behind_the_stub_stands_whom_it_asks() -> None:
    assert text_of(STUB, REAL) == REAL
    assert text_of(STUB, f"nameserver 127.0.0.1\n{REAL}") == REAL
    mixed = f"{STUB}nameserver 192.0.2.9\n"
    assert text_of(mixed, REAL) == mixed.removeprefix("nameserver 127.0.0.53\n"), "one is left"
    assert text_of("nameserver 127.0.0.1\n", REAL) == NOTE, "that is not the stub"


@pytest.mark.parametrize("uplink", [None, "", "# nobody\n", "nameserver ::1\n"])
def test_where_none_is_left_it_names_none_and_says_so(uplink: str | None) -> None:
    inside = text_of(STUB, uplink)
    assert inside.startswith(NOTE)
    assert not any(line.startswith("nameserver") for line in inside.splitlines())


@pytest.mark.parametrize("says", [None, "", "search example.org\n"])
def test_a_file_that_names_none_means_the_loopback(says: str | None) -> None:
    assert text_of(says) == f"{NOTE}{says or ''}"
