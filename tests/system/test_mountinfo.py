"""What is mounted where: the text of the kernel, and this machine's."""

import os
from pathlib import Path

from orchestrator.system.mountinfo import MountLine, find_mounts, parse_mounts, read_mounts

TEXT = (
    rb"""21 1 254:1 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,errors=remount-ro
22 21 0:5 / /a\040b\011\134040 rw - tmpfs none rw
23 21 0:6 / /- rw - cgroup cgroup rw,memory,name=a\040b
"""
    + b"24 21 0:7 /x /caf\xc3\xa9\r\xff rw - fuse.x /srv/a\\040-\\040b rw\n"
)


def test_each_line_is_a_mount() -> None:
    assert list(parse_mounts(TEXT)) == [
        MountLine("254:1", "/", "ext4", ("rw", "errors=remount-ro")),
        MountLine("0:5", "/a b\t\\040", "tmpfs", ("rw",)),
        MountLine("0:6", "/-", "cgroup", ("rw", "memory", "name=a\\040b")),
        MountLine("0:7", "/café\r\udcff", "fuse.x", ("rw",)),
    ]


def test_all_of_this_machine() -> None:
    points = [mount.point for mount in read_mounts()]
    assert {"/", "/proc"} <= set(points)
    assert find_mounts("/") == points


def test_below_a_folder_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")
    found = find_mounts(f"{tmp_path}/link")
    assert found[0] == "/proc"
    assert all(point == "/proc" or point.startswith("/proc/") for point in found)
    assert find_mounts(str(tmp_path)) == []
    assert find_mounts("/pro") == []
    assert os.path.ismount(found[0])
