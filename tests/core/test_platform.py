"""What a definition is for, and what the host is."""

import pytest

from orchestrator.core.platform import check_platform
from orchestrator.core.suggest import complete_hint


@pytest.mark.parametrize(
    ("arch", "machine"),
    [
        (None, "x86_64"),
        ("amd64", "x86_64"),
        ("x86_64", "x86_64"),
        ("arm64", "aarch64"),
        ("aarch64", "aarch64"),
        ("arm", "armv7l"),
        ("armv6l", "armv7l"),
        ("386", "i686"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("loong64", "loongarch64"),
        ("mips64", "mips64"),
    ],
)
def test_what_runs_here(arch: str | None, machine: str) -> None:
    assert check_platform("linux", arch, machine) == ()


@pytest.mark.parametrize(
    ("os", "arch", "message", "hint"),
    [
        ("linux", "arm64", '"arm64" does not run here: the host is "amd64"', ""),
        ("linux", "386", '"386" does not run here: the host is "amd64"', ""),
        ("linux", "amd46", '"amd46" is not an architecture', 'did you mean "amd64"?'),
        ("linux", "AMD64", '"AMD64" is not an architecture', 'did you mean "amd64"?'),
        ("linux", "z80", '"z80" is not an architecture', 'the host is "amd64"'),
        ("linux", "", '"" is not an architecture', 'the host is "amd64"'),
        ("windows", None, '"windows" does not run here: the host is linux', 'write "linux"'),
        ("Linux", None, '"Linux" does not run here: the host is linux', 'write "linux"'),
    ],
)
def test_what_does_not(os: str, arch: str | None, message: str, hint: str) -> None:
    (fault,) = check_platform(os, arch, "x86_64")
    assert fault.path == (("os",) if arch is None else ("arch",))
    assert (fault.message, complete_hint(fault)) == (message, hint)


def test_both_are_told_at_once() -> None:
    assert [fault.path for fault in check_platform("plan9", "arm", "x86_64")] == [("os",), ("arch",)]


def test_a_host_that_is_not_known_is_called_what_it_calls_itself() -> None:
    (fault,) = check_platform("linux", "amd64", "mips64")
    assert fault.message == '"amd64" does not run here: the host is "mips64"'
