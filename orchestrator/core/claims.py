"""Ports of the host, and paths of sockets, that definitions claim: of two that claim the same, both are wrong.

Looked at anew whenever any of them changes, like `orchestrator.core.links`, in linear time. Floor: core.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from orchestrator.core.suggest import quote
from orchestrator.model.contribution import PATHS, PortClaim
from orchestrator.model.problem import Fault

_ANY = "*"
"""All addresses, of both versions of IP."""
_ANY_V4 = "0.0.0.0"
_ANY_V6 = "::"
_HINT = "take another port, or another address"
_HINT_PATH = "take another path"


@frozen
class _Taken:
    name: str
    claim: PortClaim
    address: str
    runs: bool
    """By an earlier definition, which no edit of this one's file has ended."""


def find_claim_faults(
    claims: Mapping[str, Sequence[PortClaim]], standing: Mapping[str, Sequence[PortClaim]] | None = None
) -> dict[str, tuple[Fault, ...]]:
    """What is wrong with the ports that definitions claim, by name; a name with nothing wrong is left out.

    claims: of every definition that is valid by itself. standing: of what goes on by an earlier definition, should its
    own have problems: those ports are taken, and whose they are is not told of them again.
    """
    found: dict[str, list[Fault]] = defaultdict(list)
    for group in _group(claims, standing or {}).values():
        for taken, others in _find_overlaps(group):
            if not taken.runs:
                found[taken.name].append(_describe(taken, others))
    return {name: tuple(sorted(faults, key=lambda fault: fault.path)) for name, faults in found.items()}


def _group(
    claims: Mapping[str, Sequence[PortClaim]], standing: Mapping[str, Sequence[PortClaim]]
) -> Mapping[tuple[str, int], list[_Taken]]:
    groups: dict[tuple[str, int], list[_Taken]] = defaultdict(list)
    for runs, table in ((False, claims), (True, standing)):
        for name, each in table.items():
            for claim in each:
                taken = _Taken(name, claim, normalize_address(claim.address, ipv6_only=claim.ipv6_only), runs)
                groups[claim.protocol, claim.port].append(taken)
    return groups


def _find_overlaps(group: Sequence[_Taken]) -> Iterator[tuple[_Taken, tuple[_Taken, ...]]]:
    """Those of one port that overlap others, each with a few of these: one to name, and whether there is another."""
    if len(group) < 2:
        return
    everybody = _Crowd(group)
    # Of those who share nobody is in the way of others who do.
    alone = _Crowd([each for each in group if not each.claim.shared])
    for each in group:
        near = (alone if each.claim.shared else everybody).find_near(each.address)
        others = tuple(other for other in near if _differ(each, other))
        if others:
            yield each, others


class _Crowd:
    """Those who claim one port. Of each kind a few suffice to find one that is another: whoever compares with all of
    them is quadratic."""

    def __init__(self, group: Sequence[_Taken]) -> None:
        by_address: dict[str, list[_Taken]] = defaultdict(list)
        for each in group:
            by_address[each.address].append(each)
        self._by_address = {address: _first(some) for address, some in by_address.items()}
        self._all = _first(group)
        self._v4 = _first(each for each in group if _is_v4(each.address))
        self._v6 = _first(each for each in group if ":" in each.address)

    def find_near(self, address: str) -> Iterator[_Taken]:
        """Some of those whose addresses overlap this one."""
        if address == _ANY:
            yield from self._all
            return
        if address in (_ANY_V4, _ANY_V6):
            yield from self._v4 if address == _ANY_V4 else self._v6
            wider: tuple[str, ...] = (_ANY,)
        else:
            wider = (address, _ANY, _ANY_V4 if _is_v4(address) else _ANY_V6)
        for each in wider:
            yield from self._by_address.get(each, ())


def _is_v4(address: str) -> bool:
    return address != _ANY and ":" not in address


def _first(group: Iterable[_Taken]) -> tuple[_Taken, ...]:
    """Of each name the first two, of three names at most."""
    chosen: dict[str, list[_Taken]] = {}
    for each in group:
        if each.name in chosen:
            if len(chosen[each.name]) < 2:
                chosen[each.name].append(each)
        elif len(chosen) < 3:
            chosen[each.name] = [each]
        else:
            break
    return tuple(each for some in chosen.values() for each in some)


def _differ(one: _Taken, other: _Taken) -> bool:
    """Whether they are two claims. What a name claims now takes the place of what it claimed before."""
    return one.claim is not other.claim and (one.name != other.name or one.runs is other.runs)


def _describe(taken: _Taken, others: tuple[_Taken, ...]) -> Fault:
    claim, other = taken.claim, min(others, key=lambda each: (each.name == taken.name, each.name))
    names = {each.name for each in others} - {taken.name}
    at = f" of {normalize_address(claim.address, ipv6_only=True)}" if claim.address else ""
    what = f"port {claim.port}/{claim.protocol}{at} of the host"
    hint = _HINT
    if claim.protocol == PATHS:
        what, hint = f"the path {quote(claim.address)}", _HINT_PATH
    if other.name == taken.name:
        return Fault(claim.path, f"{what} is taken twice", "take one of them away")
    more = " and others" if len(names) > 1 else ""
    how = ", which goes on by an earlier definition" if other.runs else ""
    return Fault(claim.path, f"{what} is also taken by {quote(other.name)}{more}{how}", hint)


def normalize_address(address: str, *, ipv6_only: bool = False) -> str:
    """An address as all write it; what is none is left as it is, and equal to itself only. A socket on ``::`` takes
    IPv4 too unless it is of version 6 only, and one on ``::ffff:192.0.2.1`` has the port of 192.0.2.1, ipv6(7)."""
    if not address:
        return _ANY
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    normal = str(read if mapped is None else mapped)
    return _ANY if normal == _ANY_V6 and not ipv6_only else normal
