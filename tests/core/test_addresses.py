"""Texts that say whom a probe or an order is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.addresses import parse_container_name, parse_probe_host, parse_url_path
from orchestrator.model.problem import Fault
from orchestrator.testing.strategies import names


@given(names())
def test_a_name_of_a_container_stays_as_it_is(name: str) -> None:
    assert parse_container_name(name) == name


@pytest.mark.parametrize("text", ["", "Web", "-web", "web.toml/", "w" * 64, "größe", "web\n"])
def test_what_is_the_name_of_no_container(text: str) -> None:
    fault = parse_container_name(text)
    assert isinstance(fault, Fault)
    assert "is not the name of a container" in fault.message


@pytest.mark.parametrize("text", ["/", "/healthz", "/a?b=c&d=%20", "//", "/~me/*"])
def test_the_path_of_a_request_stays_as_it_is(text: str) -> None:
    assert parse_url_path(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", 'write "/"'),
        ("healthz", 'write "/healthz"'),
        ("/a b", 'write "/healthz"'),
        ("/größe", 'write "/healthz"'),
        ("/a\r\nHost: x", 'write "/healthz"'),
        ("/a#b", "take it away, with the #"),
    ],
)
def test_what_is_the_path_of_no_request(text: str, hint: str) -> None:
    fault = parse_url_path(text)
    assert isinstance(fault, Fault)
    assert fault.hint == hint


@given(st.ip_addresses().map(str))
def test_an_address_stays_as_it_is(text: str) -> None:
    assert parse_probe_host(text) == text


def test_an_address_has_one_form() -> None:
    assert parse_probe_host("localhost") == "127.0.0.1"
    assert parse_probe_host("0:0::1") == "::1"


@pytest.mark.parametrize("text", ["", "db", "example.org", "127.0.0.1:80", "[::1]", "fe80::1%eth0", "127.1", "0x7f.1"])
def test_what_would_have_to_be_looked_up(text: str) -> None:
    fault = parse_probe_host(text)
    assert isinstance(fault, Fault)
    assert fault.hint == 'write "127.0.0.1", or "::1"'
