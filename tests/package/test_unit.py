"""contrib/orchestrator.service is a unit that systemd takes, and starts the command with options that it has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "contrib" / "orchestrator.service"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    # The command need not be installed where the unit says: another stands in for it.
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    result = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_its_command_line_is_understood() -> None:
    from click.testing import CliRunner

    from orchestrator.cli.main import group

    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), flags=re.MULTILINE)
    program, verb, *options = command.split()
    assert program.endswith("/orchestrator")
    shown = CliRunner().invoke(group, [verb, "--help"]).output
    for option in options[::2]:
        assert option in shown
