"""The texts of listening sockets: addresses and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.fields import describe_whole
from orchestrator.core.listening import LONGEST_PATH, parse_socket_address, parse_socket_name
from orchestrator.core.parse import parse_definition
from orchestrator.core.suggest import complete_hint
from orchestrator.model.definition import Definition
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source
from orchestrator.testing.strategies import Table as Sockets
from orchestrator.testing.strategies import dump_toml, socket_addresses, socket_tables

IN_BRACKETS = "names are not looked up: write the address, in brackets if it has colons"
EXAMPLES = 'write "127.0.0.1:80", "[::1]:80", "80" for all addresses, or a path'


@given(socket_addresses())
def test_an_address_stays_as_it_is(text: str) -> None:
    assert parse_socket_address(text) == text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("80", "*:80"),
        ("*:80", "*:80"),
        (":80", "*:80"),
        ("0080", "*:80"),
        ("65535", "*:65535"),
        ("localhost:80", "127.0.0.1:80"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::]:80", "[::]:80"),
        ("[0:0::1]:80", "[::1]:80"),
        ("[FE80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ("[127.0.0.1]:80", "127.0.0.1:80"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("/run//web/./web.sock", "/run/web/web.sock"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert parse_socket_address(text) == address


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", '"" is not the address of a socket', EXAMPLES),
        ("web", '"web" is not the address of a socket', EXAMPLES),
        ("::1:80", '"::1:80" is not the address of a socket', EXAMPLES),
        ("tcp://127.0.0.1:80", '"tcp://127.0.0.1:80" is not the address of a socket', EXAMPLES),
        ("80/tcp", '"80/tcp" is not the address of a socket', EXAMPLES),
        ("127.0.0.1", '"127.0.0.1" is not the address of a socket', EXAMPLES),
        ("127.0.0.1:٣", '"127.0.0.1:٣" is not the address of a socket', EXAMPLES),
        ("0", "the port 0 is not between 1 and 65535", EXAMPLES),
        ("127.0.0.1:65536", "the port 65536 is not between 1 and 65535", EXAMPLES),
        ("example.org:80", '"example.org" is not an IP address', IN_BRACKETS),
        ("[web]:80", '"[web]" is not an IP address', IN_BRACKETS),
        ("10.0.0.256:80", '"10.0.0.256" is not an IP address', IN_BRACKETS),
        ("/run/../web.sock", """the path "/run/../web.sock" contains '..'""", 'write "/web.sock"'),
        ("run/web.sock", '"run/web.sock" is not the address of a socket', EXAMPLES),
    ],
)
def test_what_is_no_address_is_told_with_a_hint(text: str, message: str, hint: str) -> None:
    fault = parse_socket_address(text)
    assert isinstance(fault, Fault)
    assert (fault.message, complete_hint(fault)) == (message, hint)


def test_a_path_is_as_long_as_the_address_of_a_socket_may_be() -> None:
    longest = "/" + "ä" * ((LONGEST_PATH - 1) // 2)
    assert len(longest.encode()) == LONGEST_PATH
    assert parse_socket_address(longest) == longest
    fault = parse_socket_address(f"{longest}a")
    assert isinstance(fault, Fault)
    assert fault.message == "the path has 108 bytes, 107 are the most for a socket"


@pytest.mark.parametrize("text", ["http", "a", "_", "9", "web.http-2", "A" * 64])
def test_a_name_stays_as_it_is(text: str) -> None:
    assert parse_socket_name(text) == text


@pytest.mark.parametrize("text", ["", "a:b", "-web", ".web", "größe", "a b", "a\n", "A" * 65])
def test_what_is_the_name_of_no_socket(text: str) -> None:
    fault = parse_socket_name(text)
    assert isinstance(fault, Fault)
    assert "is not the name of a socket" in fault.message
    assert fault.hint.startswith("write letters, digits")


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_fault_and_an_address_is_read_as_itself(text: str) -> None:
    result = parse_socket_address(text)
    if not isinstance(result, Fault):
        assert parse_socket_address(result) == result


@given(socket_tables())
def test_sockets_are_written_and_read_again(table: Sockets) -> None:
    def read(sockets: object) -> Definition:
        text = f'args = ["/bin/true"]\nsockets = {dump_toml(sockets)}\n'
        definition = parse_definition(Source("web", "web.toml", text), Registry())
        assert isinstance(definition, Definition), definition
        return definition

    definition = read(table)
    assert set(definition.sockets) == set(table)
    # With all of its defaults in, too, but for what TOML has no word for.
    whole = describe_whole(definition, Registry())["sockets"]
    said = {name: {key: value for key, value in each.items() if value is not None} for name, each in whole.items()}
    assert read(said).sockets == definition.sockets
