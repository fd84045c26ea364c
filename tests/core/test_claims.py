"""Ports that definitions claim, and who is told of what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.claims import find_claim_faults
from orchestrator.model.contribution import PATHS, PortClaim

PATH = ("network", "ports", 0)


def claim(
    port: int = 80,
    address: str = "",
    protocol: str = "tcp",
    index: int = 0,
    *,
    shared: bool = False,
    ipv6_only: bool = False,
) -> PortClaim:
    path = ("network", "ports", index)
    return PortClaim(protocol=protocol, port=port, address=address, path=path, shared=shared, ipv6_only=ipv6_only)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (claim(), claim()),
        (claim(), claim(address="127.0.0.1")),
        (claim(address="0.0.0.0"), claim(address="127.0.0.1")),
        (claim(address="0.0.0.0"), claim()),
        (claim(address="::"), claim(address="127.0.0.1")),
        (claim(address="::1"), claim(address="0:0::1")),
        (claim(address="::ffff:127.0.0.1"), claim(address="127.0.0.1")),
        (claim(address="::"), claim(address="0.0.0.0")),
        (claim(address="::", ipv6_only=True), claim(address="::1")),
        (claim(address="::", ipv6_only=True), claim()),
        (claim(shared=True), claim()),
        (claim(address="127.0.0.1"), claim(shared=True)),
    ],
)
def test_two_that_take_the_same_are_a_problem_of_both(one: PortClaim, other: PortClaim) -> None:
    found = find_claim_faults({"a": [one], "b": [other]})
    assert found.keys() == {"a", "b"}
    (fault,) = found["a"]
    assert fault.path == PATH
    assert 'is also taken by "b"' in fault.message
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


def test_those_who_share_a_port_are_in_nobodys_way_who_does() -> None:
    sharing = {name: [claim(shared=True), claim(shared=True, index=1)] for name in "abcd"}
    assert find_claim_faults(sharing) == {}
    found = find_claim_faults({**sharing, "z": [claim(address="127.0.0.1")]})
    assert found.keys() == {*"abcd", "z"}
    assert {fault.message for fault in found["a"]} == {'port 80/tcp of the host is also taken by "z"'}


def test_all_of_version_6_and_all_of_version_4_are_apart_where_one_says_so() -> None:
    six = claim(address="::", ipv6_only=True)
    assert (
        find_claim_faults({"a": [six], "b": [claim(address="0.0.0.0")], "c": [claim(address="127.0.0.1", port=81)]})
        == {}
    )


def test_a_path_is_taken_as_a_port_is() -> None:
    def path(at: str, index: int = 0) -> PortClaim:
        return PortClaim(protocol=PATHS, port=0, address=at, path=("sockets", index))

    found = find_claim_faults({"a": [path("/run/a")], "b": [path("/run/a"), path("/run/b", 1), path("/run/b", 2)]})
    assert [(fault.message, fault.hint) for fault in found["b"]] == [
        ('the path "/run/a" is also taken by "a"', "take another path"),
        ('the path "/run/b" is taken twice', "take one of them away"),
        ('the path "/run/b" is taken twice', "take one of them away"),
    ]
    assert find_claim_faults({"a": [path("/run/a")], "b": [path("/run/b")]}) == {}


def test_ipv4_everywhere_and_an_ipv6_address_are_apart() -> None:
    assert find_claim_faults({"a": [claim(address="0.0.0.0")], "b": [claim(address="::1")]}) == {}


def test_a_definition_that_claims_one_twice() -> None:
    found = find_claim_faults({"a": [claim(), claim(index=1)]})
    assert [(fault.path, fault.message) for fault in found["a"]] == [
        (("network", "ports", 0), "port 80/tcp of the host is taken twice"),
        (("network", "ports", 1), "port 80/tcp of the host is taken twice"),
    ]


def test_many_are_not_all_named() -> None:
    found = find_claim_faults({name: [claim()] for name in ("c", "b", "a", "d")})
    assert [fault.message for fault in found["a"]] == [
        'port 80/tcp of the host is also taken by "b" and others',
    ]
    assert len(found) == 4


def test_what_goes_on_by_an_earlier_definition_has_its_ports() -> None:
    found = find_claim_faults({"b": [claim()]}, {"a": [claim()]})
    assert found.keys() == {"b"}
    assert [fault.message for fault in found["b"]] == [
        'port 80/tcp of the host is also taken by "a", which goes on by an earlier definition',
    ]


def test_what_one_says_now_is_no_problem_of_what_it_said_before() -> None:
    assert find_claim_faults({"a": [claim()]}, {"a": [claim()]}) == {}


addresses = st.sampled_from(["", "0.0.0.0", "::", "127.0.0.1", "127.0.0.2", "::1"])
claims_of_all_kinds = st.builds(claim, st.integers(80, 82), addresses, shared=st.booleans(), ipv6_only=st.booleans())
tables = st.dictionaries(st.sampled_from("abcdef"), st.lists(claims_of_all_kinds, max_size=3), max_size=6)


def reach(claim: PortClaim) -> set[str]:
    """Those of a few addresses that a claim is of."""
    four, six = {"127.0.0.1", "127.0.0.2", "10.0.0.1"}, {"::1", "fe80::1"}
    if claim.address == "0.0.0.0":
        return four
    if claim.address == "::" and claim.ipv6_only:
        return six
    return four | six if claim.address in ("", "::") else {claim.address}


def overlaps(one: PortClaim, other: PortClaim) -> bool:
    return one.port == other.port and bool(reach(one) & reach(other)) and not (one.shared and other.shared)


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
