"""What an application says of itself: what a message means, and where it is told to send it."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.notify import (
    LONGEST,
    LONGEST_STATUS,
    SOCKET,
    mount_notify,
    notify_variables,
    parse_notification,
    without_agent,
)
from orchestrator.core.policy import choose_policy
from orchestrator.core.render import render_bundle
from orchestrator.model.health import Notification
from orchestrator.model.policy import Ready
from orchestrator.model.types import Duration, EnvName
from tests.core.helpers_world import host_definition, resolve


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"READY=1", Notification(ready=True)),
        (b"READY=1\nSTATUS=serving 3 of 4\n", Notification(ready=True, status="serving 3 of 4")),
        (b"STATUS=", Notification(status="")),
        (b"STATUS=a\tb\x1b[31mc\xe2\x80\xa8d", Notification(status="a b [31mc d")),
        (b"STATUS=one=two", Notification(status="one=two")),
        (b"STATUS=one\nSTATUS=two", Notification(status="two")),
        (b"RELOADING=1\nMONOTONIC_USEC=1234", Notification(reloading=True)),
        (b"STOPPING=1", Notification(stopping=True)),
        (b"WATCHDOG=1", Notification(watchdog=True)),
        (b"WATCHDOG=trigger", Notification(watchdog_trigger=True)),
        (b"WATCHDOG_USEC=20000000", Notification(watchdog_usec=20_000_000)),
        (b"WATCHDOG_USEC=0", Notification(watchdog_usec=0)),
        (b"EXTEND_TIMEOUT_USEC=5000000", Notification(extend_timeout_usec=5_000_000)),
        (b"X_OURS=1\nREADY=1\nno value\n\xff=1\nSTATUS=\xff", Notification(ready=True)),
    ],
)
def test_a_message_is_lines_of_names_and_values(message: bytes, said: Notification) -> None:
    assert parse_notification(message) == said


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\n\n",
        b"READY",
        b"READY=0",
        b"ready=1",
        b"READY=1 ",
        b"BARRIER=1",
        b"MAINPID=1",
        b"ERRNO=2",
        b"FDSTORE=1\nFDNAME=x",
        b"WATCHDOG=2",
        b"WATCHDOG_USEC=-1",
        b"WATCHDOG_USEC=1e6",
        b"WATCHDOG_USEC=99999999999999999999",
        b"EXTEND_TIMEOUT_USEC=",
        "EXTEND_TIMEOUT_USEC=\N{FULLWIDTH DIGIT FIVE}".encode(),
        b"READY=1\0",
        b"READY=1\nSTATUS=" + b"x" * LONGEST,
    ],
)
def test_what_says_nothing_that_is_known_is_no_message(message: bytes) -> None:
    assert parse_notification(message) is None


@given(st.binary(max_size=LONGEST + 1) | st.text(max_size=200).map(str.encode).map(b"STATUS=".__add__))
def test_any_bytes_are_a_message_or_none(message: bytes) -> None:
    said = parse_notification(message)
    assert said != Notification()
    if said is not None and said.status is not None:
        assert len(said.status) <= LONGEST_STATUS
        assert len(said.status.splitlines()) <= 1
        assert said.status.isprintable() or not said.status.isascii()


def test_who_has_nothing_to_say_is_offered_nothing() -> None:
    policy = choose_policy(host_definition())
    assert notify_variables(policy) == {}
    assert mount_notify("") == ()


def test_an_application_is_told_where_to_say_it_and_how_often() -> None:
    policy = choose_policy(host_definition())
    assert notify_variables(evolve(policy, ready=Ready.NOTIFY)) == {"NOTIFY_SOCKET": SOCKET}
    watched = notify_variables(evolve(policy, watchdog=0.1))
    assert watched == {"NOTIFY_SOCKET": SOCKET, "WATCHDOG_USEC": "100000"}


def test_that_a_socket_is_offered_is_in_the_digest_and_how_it_is_asked_is_not() -> None:
    plain = render_bundle(resolve(host_definition()))
    digests = {
        render_bundle(resolve(host_definition(**fields))).digest
        for fields in (
            {"ready": Ready.NOTIFY},
            # The application's own variable leaves no trace of ours in its environment.
            {"env": {EnvName("NOTIFY_SOCKET"): SOCKET}},
            {"watchdog": Duration(1.0)},
            {"watchdog": Duration(2.0)},
        )
    }
    assert len(digests | {plain.digest}) == 5
    assert render_bundle(resolve(host_definition(ready=Ready.HEALTHY))).digest == plain.digest


def test_without_an_agent_nobody_is_told_of_its_socket() -> None:
    bundle = render_bundle(resolve(host_definition(ready=Ready.NOTIFY, watchdog=Duration(1.0))))
    plain = render_bundle(resolve(host_definition()))
    assert without_agent(bundle) == plain.config
    assert without_agent(plain) == plain.config
    own = render_bundle(resolve(host_definition(ready=Ready.NOTIFY, env={EnvName("NOTIFY_SOCKET"): "/own"})))
    assert "NOTIFY_SOCKET=/own" in without_agent(own)["process"]["env"]
