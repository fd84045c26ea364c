"""A defect of the agent: it ends, with one line and its traceback in a file, and what runs is left to the next one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
import orchestrator.tasks.reconcile as reconcile
from orchestrator.agent import main

def fail(desired, observed, held):
    raise {error}("a defect made by a test")

reconcile.plan_actions = fail
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.real
@pytest.mark.parametrize("error", ["KeyError", "MemoryError", "RecursionError"])
def test_a_defect_is_one_line_and_the_end(tmp_path: Path, error: str) -> None:
    (tmp_path / "conf").mkdir()
    settings = {name: f"{tmp_path}/{name}" for name in ("config", "state", "run")} | {"config": f"{tmp_path}/conf"}
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(error=error), json.dumps(settings)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 70, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"orchestrator: internal error: {error}:")
    assert last.endswith(f"(the traceback is in {tmp_path}/state/crash.log)")
    assert f"{error}:" in (tmp_path / "state" / "crash.log").read_text()
    assert not (tmp_path / "run" / "agent.json").exists()
