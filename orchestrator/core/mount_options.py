"""Options of mount(8) to what mount(2) wants of them: flags, the kind of propagation, and text for the file system.

One call of mount(2) does one thing: with MS_BIND it heeds no other flag, and a change of propagation is a call of its
own. Which calls follow is for whoever makes them. Floor: core.
"""

from collections.abc import Mapping, Sequence

from attrs import frozen

READ_ONLY = 1
REMOUNT = 32
BIND = 4096
RECURSIVE = 16384

_FLAGS: Mapping[str, int] = {
    "ro": READ_ONLY,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "sync": 16,
    "remount": REMOUNT,
    "dirsync": 128,
    "nosymfollow": 256,
    "noatime": 1024,
    "nodiratime": 2048,
    "bind": BIND,
    "rbind": BIND | RECURSIVE,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
    "lazytime": 1 << 25,
}
"""From <linux/mount.h>."""

_UNSET: Mapping[str, int] = {"rw": READ_ONLY, "suid": 2, "dev": 4, "exec": 8, "atime": 1024, "async": 16}
"""Words that take back what an earlier one has set."""

_PROPAGATION: Mapping[str, int] = {"unbindable": 1 << 17, "private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}
_WORDS_WITHOUT_MEANING = ("defaults", "")


@frozen
class MountOptions:
    """What mount(8)'s words say. ``propagation`` is 0 where none is named."""

    flags: int
    propagation: int
    data: str

    @property
    def binds(self) -> bool:
        """Whether something that is there is to be seen at another place too."""
        return bool(self.flags & BIND) and not self.remounts

    @property
    def remounts(self) -> bool:
        """Whether what is mounted there gets other options."""
        return bool(self.flags & REMOUNT)

    @property
    def of_mount(self) -> int:
        """The flags that a mount has by itself, as ``ro``, beside those that say what is to be done."""
        return self.flags & ~(REMOUNT | BIND | RECURSIVE)


def read_mount_options(options: Sequence[str]) -> MountOptions:
    """The last word wins, as with mount(8). Raises ValueError for a word that would be ignored: a bind mount takes none
    that is meant for a file system."""
    flags = propagation = 0
    data = []
    for option in options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option in _UNSET:
            flags &= ~_UNSET[option]
        elif option.removeprefix("r") in _PROPAGATION and option not in _PROPAGATION:
            propagation = _PROPAGATION[option.removeprefix("r")] | RECURSIVE
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        elif option not in _WORDS_WITHOUT_MEANING:
            data.append(option)
    if data and flags & BIND:
        raise ValueError(f'a bind mount has no option "{data[0]}"')
    return MountOptions(flags, propagation, ",".join(data))
