"""Mounts below a folder are taken away, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from orchestrator.system.mounting import mount
from orchestrator.system.mountinfo import find_mounts
from orchestrator.system.unmount import unmount_below

host, own = sys.argv[1] + "/host", sys.argv[1] + "/own"
os.makedirs(host)
os.makedirs(own)
mount("tmpfs", host, "tmpfs", ())
os.makedirs(host + "/below")
mount("tmpfs", host + "/below", "tmpfs", ())
mount(host, own, "", ("rbind",))
assert find_mounts(own) == [own, own + "/below"]
unmount_below(own)
assert find_mounts(own) == [], find_mounts(own)
print(*find_mounts(host))
"""


@pytest.mark.real
def test_what_is_mounted_of_the_host_stays_where_it_is(tmp_path: Path) -> None:
    """Where mounts are shared, as on each host with systemd."""
    command = ("unshare", "--mount", "--propagation", "shared", sys.executable, "-c", SCRIPT, f"{tmp_path}")
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.stdout.split() == [f"{tmp_path}/host", f"{tmp_path}/host/below"]
