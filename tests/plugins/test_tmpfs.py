"""The `tmpfs` mount."""

import attrs
import pytest
from orchestrator_mounts.tmpfs import OPTIONS, Tmpfs

from orchestrator.plugin import Contribution, Fault, FileMode, FolderEntry, Guess, Mount, MountKind, Size, Use, UserName
from tests.core.helpers_world import HOST, answer


def contribution_of(kind: Tmpfs, kernel: tuple[int, int] = HOST.kernel) -> Contribution:
    return kind.contribute(Use("web", "/cache"), answer(kind.questions(), attrs.evolve(HOST, kernel=kernel)))


def test_it_is_a_kind_of_which_no_option_must_be_written() -> None:
    assert isinstance(Tmpfs(), MountKind)
    contribution = contribution_of(Tmpfs())
    assert contribution.mounts == (Mount("/cache", "tmpfs", "tmpfs", ("nosuid", "nodev", "mode=1777")),)
    assert contribution.entries == (FolderEntry("/cache", 0o1777),)
    assert contribution.attach == ()


def test_its_options_are_those_of_the_file_system() -> None:
    kind = Tmpfs(size=Size(65536), mode=FileMode(0o750), owner=UserName("web:adm"), options=("nodev", "noexec"))
    (mount,) = contribution_of(kind).mounts
    assert mount.options == ("nosuid", "nodev", "noexec", "mode=0750", "size=65536", "uid=1000", "gid=4")


@pytest.mark.parametrize(("kernel", "known"), [((6, 3), False), ((6, 4), True)])
def test_what_is_never_swapped_needs_a_kernel_that_knows_it(kernel: tuple[int, int], known: bool) -> None:
    contribution = contribution_of(Tmpfs(options=("noswap",)), kernel)
    if known:
        assert "noswap" in contribution.mounts[0].options
    else:
        assert contribution.faults == (Fault(("options", 0), '"noswap" needs Linux 6.4, and this is 6.3'),)


def test_all_mistakes_are_told() -> None:
    contribution = contribution_of(Tmpfs(options=("noexce",), owner=UserName("nobdy")))
    unknown, owner = contribution.faults
    hint = f"one of {', '.join(OPTIONS)}"
    assert unknown == Fault(("options", 0), 'unknown mount option "noexce"', hint, guess=Guess("noexce", OPTIONS))
    assert (owner.path, owner.message) == (("owner",), 'no user "nobdy" in the /etc/passwd of the host')
