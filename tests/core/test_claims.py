"""Ports that definitions claim, and who is told of what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.claims import find_claim_faults
from orchestrator.model.contribution import PortClaim

PATH = ("network", "ports", 0)


def claim(port: int = 80, address: str = "", protocol: str = "tcp", index: int = 0) -> PortClaim:
    return PortClaim(protocol=protocol, port=port, address=address, path=("network", "ports", index))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (claim(), claim()),
        (claim(), claim(address="127.0.0.1")),
        (claim(address="0.0.0.0"), claim(address="127.0.0.1")),
        (claim(address="0.0.0.0"), claim()),
        (claim(address="::"), claim(address="127.0.0.1")),
        (claim(address="::1"), claim(address="0:0::1")),
        (claim(address="::"), claim(address="0.0.0.0")),
    ],
)
def test_two_that_take_the_same_are_a_problem_of_both(one: PortClaim, other: PortClaim) -> None:
    found = find_claim_faults({"a": [one], "b": [other]})
    assert found.keys() == {"a", "b"}
    (fault,) = found["a"]
    assert fault.path == PATH
    assert 'is also published by "b"' in fault.message
    assert fault.message.startswith("port 80/tcp")


@pytest.mark.parametrize(
    "other",
    [
        claim(81),
        claim(protocol="udp"),
        claim(address="127.0.0.2"),
        claim(address="::1"),
    ],
)
def test_what_is_not_the_same_is_none(other: PortClaim) -> None:
    assert find_claim_faults({"a": [claim(address="127.0.0.1")], "b": [other]}) == {}


def test_ipv4_everywhere_and_an_ipv6_address_are_apart() -> None:
    assert find_claim_faults({"a": [claim(address="0.0.0.0")], "b": [claim(address="::1")]}) == {}


def test_a_definition_that_claims_one_twice() -> None:
    found = find_claim_faults({"a": [claim(), claim(index=1)]})
    assert [(fault.path, fault.message) for fault in found["a"]] == [
        (("network", "ports", 0), "port 80/tcp of the host is published twice"),
        (("network", "ports", 1), "port 80/tcp of the host is published twice"),
    ]


def test_many_are_not_all_named() -> None:
    found = find_claim_faults({name: [claim()] for name in ("c", "b", "a", "d")})
    assert [fault.message for fault in found["a"]] == [
        'port 80/tcp of the host is also published by "b" and others',
    ]
    assert len(found) == 4


def test_what_goes_on_by_an_earlier_definition_has_its_ports() -> None:
    found = find_claim_faults({"b": [claim()]}, {"a": [claim()]})
    assert found.keys() == {"b"}
    assert [fault.message for fault in found["b"]] == [
        'port 80/tcp of the host is also published by "a", which goes on by an earlier definition',
    ]


def test_what_one_says_now_is_no_problem_of_what_it_said_before() -> None:
    assert find_claim_faults({"a": [claim()]}, {"a": [claim()]}) == {}


addresses = st.sampled_from(["", "0.0.0.0", "::", "127.0.0.1", "127.0.0.2", "::1"])
tables = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.builds(claim, st.integers(80, 82), addresses), max_size=3), max_size=6
)


def overlaps(one: PortClaim, other: PortClaim) -> bool:
    if one.port != other.port:
        return False
    if {one.address, other.address} & {"", "::"} or one.address == other.address:
        return True
    return {":" in one.address, ":" in other.address} == {False} and "0.0.0.0" in (one.address, other.address)


@given(tables, tables)
def test_it_finds_what_comparing_each_with_each_finds(
    claims: dict[str, list[PortClaim]], standing: dict[str, list[PortClaim]]
) -> None:
    now = [(name, claim) for name, each in claims.items() for claim in each]
    before = [(name, claim) for name, each in standing.items() for claim in each]
    wrong = {
        name
        for position, (name, one) in enumerate(now)
        if any(overlaps(one, other) for at, (_, other) in enumerate(now) if at != position)
        or any(overlaps(one, other) for other_name, other in before if other_name != name)
    }
    assert find_claim_faults(claims, standing).keys() == wrong


def test_thousands_of_claims_of_one_port_are_told_in_linear_time() -> None:
    many = {f"c{number}": [claim(address=f"10.0.{number // 250}.{number % 250}")] for number in range(5000)}
    assert find_claim_faults(many) == {}
    assert len(find_claim_faults({**many, "all": [claim()]})) == 5001
