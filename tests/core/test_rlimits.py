"""The limits of a process: names, values, and what they become."""

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.rlimits import (
    NAMES,
    UNLIMITED,
    check_rlimit_number,
    choose_rlimits,
    parse_rlimit_name,
    parse_rlimit_text,
)
from orchestrator.model import oci
from orchestrator.model.confinement import Rlimit
from orchestrator.model.problem import Fault
from orchestrator.model.types import RlimitName, RlimitValue


def limits(**pairs: tuple[int | None, int]) -> dict[RlimitName, Rlimit]:
    """Soft and hard by name."""
    return {
        RlimitName(name): Rlimit(soft=None if soft is None else RlimitValue(soft), hard=RlimitValue(hard))
        for name, (soft, hard) in pairs.items()
    }


def test_the_names_are_those_of_this_system() -> None:
    # Python knows them all but for LOCKS, which Linux has not heeded since 2.4, and OFILE, an old name of NOFILE.
    known = {name.removeprefix("RLIMIT_").lower() for name in vars(resource) if name.startswith("RLIMIT_")}
    assert {*NAMES} - {"locks"} == known - {"ofile"}
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("RLIMIT_NOFILE", 'did you mean "nofile"?'),
        ("NOFILE", 'did you mean "nofile"?'),
        ("nofiles", 'did you mean "nofile"?'),
        ("maximum", 'write "as", "core", '),
        ("", 'write "as", "core", '),
    ],
)
def test_another_name_is_a_fault_with_a_hint(text: str, hint: str) -> None:
    assert [parse_rlimit_name(name) for name in NAMES] == list(NAMES)
    fault = parse_rlimit_name(text)
    assert isinstance(fault, Fault)
    assert fault.hint.startswith(hint)


def test_values() -> None:
    assert parse_rlimit_text("unlimited") == UNLIMITED == 18446744073709551615
    assert [check_rlimit_number(number) for number in (0, 4096, UNLIMITED - 1)] == [0, 4096, UNLIMITED - 1]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("4096", "write 4096, without quotes"),
        ("infinity", 'write "unlimited"'),
        ("Unlimited", 'write "unlimited"'),
        ("8M", "write 8388608"),
        ("", 'write a number, or "unlimited"'),
        ("٣", 'write a number, or "unlimited"'),
        ("9" * 5000, 'write a number, or "unlimited"'),
    ],
)
def test_another_text_is_a_fault_with_a_hint(text: str, hint: str) -> None:
    fault = parse_rlimit_text(text)
    assert isinstance(fault, Fault)
    assert fault.hint == hint
    assert len(fault.message) < 120


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (-1, "the limit -1 is negative", 'write "unlimited"'),
        (-2, "the limit -2 is negative", 'write 0 or more, or "unlimited"'),
        (UNLIMITED, f"the limit {UNLIMITED} is above {UNLIMITED - 1}, the largest", 'write "unlimited"'),
        (2**9000, f"the limit of 9001 bits is above {UNLIMITED - 1}, the largest", 'write "unlimited"'),
    ],
)
def test_a_number_that_is_no_limit(number: int, message: str, hint: str) -> None:
    assert check_rlimit_number(number) == Fault((), message, hint)


def test_a_limit_is_soft_and_hard_and_sorted_by_type() -> None:
    chosen, faults = choose_rlimits(limits(nofile=(1024, 4096), core=(None, 0), stack=(7, UNLIMITED)))
    assert faults == ()
    assert chosen == (
        oci.Rlimit("RLIMIT_CORE", 0, 0),
        oci.Rlimit("RLIMIT_NOFILE", 1024, 4096),
        oci.Rlimit("RLIMIT_STACK", 7, UNLIMITED),
    )


def test_what_the_kernel_would_refuse_is_told_at_its_place() -> None:
    _, faults = choose_rlimits(limits(nofile=(5, UNLIMITED), core=(5, 4), data=(UNLIMITED, 1)))
    assert faults == (
        Fault(("rlimits", "nofile"), '"unlimited" is more than the kernel takes: fs.nr_open is the most', NR_OPEN_HINT),
        Fault(("rlimits", "core", "soft"), "soft is 5, above hard, which is 4", "write 4 or less"),
        Fault(("rlimits", "data", "soft"), 'soft is "unlimited", above hard, which is 1', "write 1 or less"),
    )


NR_OPEN_HINT = "write 1048576, its default, or less"


@given(st.text())
def test_any_text_is_a_value_or_a_fault(text: str) -> None:
    assert isinstance(parse_rlimit_name(text), str | Fault)
    assert isinstance(parse_rlimit_text(text), int | Fault)
