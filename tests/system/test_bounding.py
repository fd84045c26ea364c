"""What this process may give to others."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.capabilities import KNOWN
from orchestrator.system.bounding import read_bounding_set

EVERYTHING = 2**64 - 1


def test_it_is_what_the_kernel_says_of_this_process(tmp_path: Path) -> None:
    assert 0 <= read_bounding_set() < 2**64
    (tmp_path / "status").write_text("Name:\tx\nCapEff:\t0000000000000001\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n")
    assert read_bounding_set(f"{tmp_path}/status") == 0x1FFFEFFFFFF


@pytest.mark.parametrize("text", [None, "", "CapEff:\t01\n", "CapBnd:\tnothing\n"])
def test_where_it_is_not_told_it_is_everything(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "status").write_text(text)
    assert read_bounding_set(f"{tmp_path}/status") == EVERYTHING


@pytest.mark.real
def test_what_was_given_up_is_not_in_it() -> None:
    script = "from orchestrator.system.bounding import read_bounding_set; print(read_bounding_set())"
    command = ("setpriv", "--bounding-set=-sys_module", sys.executable, "-c", script)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == read_bounding_set() & ~(1 << KNOWN.index("CAP_SYS_MODULE"))
