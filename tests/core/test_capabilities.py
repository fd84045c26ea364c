"""The names of capabilities, and which of them an application gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import defaults
from orchestrator.core.capabilities import ALL, KNOWN, choose_capabilities, parse_capability
from orchestrator.core.suggest import complete_hint
from orchestrator.model.confinement import Capabilities
from orchestrator.model.problem import Fault
from orchestrator.model.types import Capability

EVERYTHING = 2 ** len(KNOWN) - 1


def choose(add: str = "", drop: str = "", given: str = "CAP_CHOWN CAP_KILL", bounding_set: int = EVERYTHING) -> str:
    """The capabilities of a process, without a fault, as words."""
    wanted = Capabilities(add=read(add), drop=read(drop))
    held, faults = choose_capabilities(wanted, given.split(), bounding_set)
    assert faults == ()
    return " ".join(held)


def read(words: str) -> tuple[Capability, ...]:
    return tuple(map(Capability, words.split()))


def test_the_list_is_the_kernels() -> None:
    assert (KNOWN.index("CAP_CHOWN"), KNOWN.index("CAP_SYS_ADMIN"), KNOWN.index("CAP_CHECKPOINT_RESTORE")) == (
        0,
        21,
        40,
    )
    assert len(set(KNOWN)) == len(KNOWN) == 41
    assert set(defaults.ROOT_CAPABILITIES) <= set(KNOWN)


@pytest.mark.parametrize(
    ("text", "name"), [("NET_ADMIN", "CAP_NET_ADMIN"), ("CAP_NET_ADMIN", "CAP_NET_ADMIN"), ("ALL", "ALL")]
)
def test_a_name_is_kept_with_its_prefix(text: str, name: str) -> None:
    assert parse_capability(text) == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("net_admin", 'did you mean "NET_ADMIN"?'),
        ("cap_net_admin", 'did you mean "CAP_NET_ADMIN"?'),
        ("CAP_SYS_ADMN", 'did you mean "CAP_SYS_ADMIN"?'),
        ("SYS_PSACCT", 'did you mean "SYS_PACCT"?'),
        ("all", 'did you mean "ALL"?'),
        ("CAP_ALL", 'write "ALL"'),
        ("", 'write a name of capabilities(7): "NET_ADMIN", or "ALL"'),
    ],
)
def test_another_name_is_a_fault_with_a_hint(text: str, hint: str) -> None:
    fault = parse_capability(text)
    assert isinstance(fault, Fault)
    assert complete_hint(fault) == hint


@pytest.mark.parametrize(
    ("add", "drop", "held"),
    [
        ("", "", "CAP_CHOWN CAP_KILL"),
        ("CAP_NET_RAW CAP_KILL", "", "CAP_CHOWN CAP_KILL CAP_NET_RAW"),
        ("", "CAP_KILL CAP_NET_RAW", "CAP_CHOWN"),
        ("CAP_BPF", "ALL", "CAP_BPF"),
        ("", "ALL", ""),
        ("ALL", "", " ".join(sorted(KNOWN))),
        ("ALL CAP_BPF", "CAP_SYS_ADMIN", " ".join(sorted({*KNOWN} - {"CAP_SYS_ADMIN"}))),
    ],
)
def test_what_is_added_and_what_is_dropped(add: str, drop: str, held: str) -> None:
    assert choose(add, drop) == held


def test_all_is_what_the_agent_has_to_give() -> None:
    assert choose("ALL", given="", bounding_set=0b101) == "CAP_CHOWN CAP_DAC_READ_SEARCH"


def test_what_cannot_be_is_told_at_its_place() -> None:
    wanted = Capabilities(add=read("CAP_CHOWN CAP_BPF CAP_KILL"), drop=read("CAP_KILL"))
    _, faults = choose_capabilities(wanted, (), 0b100001)
    assert [(fault.path, fault.message) for fault in faults] == [
        (("capabilities", "add", 1), 'cannot add "CAP_BPF": the agent has none to give'),
        (("capabilities", "add", 2), '"CAP_KILL" is dropped as well'),
    ]
    _, (fault,) = choose_capabilities(Capabilities(add=(ALL,), drop=(ALL,)), (), EVERYTHING)
    assert fault.message == '"ALL" is dropped as well'


@given(st.text())
def test_any_text_is_a_name_or_a_fault(text: str) -> None:
    result = parse_capability(text)
    assert isinstance(result, Fault) or result in (*KNOWN, ALL)
