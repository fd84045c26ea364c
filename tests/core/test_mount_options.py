"""Options of mount(8) for mount(2)."""

import pytest

from orchestrator.core.mount_options import BIND, READ_ONLY, RECURSIVE, REMOUNT, MountOptions, read_mount_options

PRIVATE = 1 << 18


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], MountOptions(0, 0, "")),
        (["defaults", "rw"], MountOptions(0, 0, "")),
        (["size=1m", "ro", "mode=0700"], MountOptions(READ_ONLY, 0, "size=1m,mode=0700")),
        (["ro", "rw"], MountOptions(0, 0, "")),
        (["rbind", "ro", "private"], MountOptions(BIND | RECURSIVE | READ_ONLY, PRIVATE, "")),
        (["rprivate"], MountOptions(0, PRIVATE | RECURSIVE, "")),
        (["remount", "bind", "ro"], MountOptions(REMOUNT | BIND | READ_ONLY, 0, "")),
        (["relatime", "rw", "rslave"], MountOptions(1 << 21, (1 << 19) | RECURSIVE, "")),
    ],
)
def test_words_are_flags_propagation_and_data(words: list[str], options: MountOptions) -> None:
    assert read_mount_options(words) == options


def test_what_is_to_be_done_is_told_from_what_the_mount_has() -> None:
    bind = read_mount_options(["rbind", "ro", "nosuid"])
    assert (bind.binds, bind.remounts, bind.of_mount) == (True, False, READ_ONLY | 2)
    again = read_mount_options(["remount", "bind", "ro"])
    assert (again.binds, again.remounts, again.of_mount) == (False, True, READ_ONLY)


@pytest.mark.parametrize("word", ["size=1m", "rro", "ro=recursive"])
def test_a_word_that_a_bind_mount_would_ignore_is_an_error(word: str) -> None:
    with pytest.raises(ValueError, match=f'a bind mount has no option "{word}"'):
        read_mount_options(["bind", word])
