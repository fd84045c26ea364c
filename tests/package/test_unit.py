"""contrib/orchestrator.service is a unit that systemd takes, and starts the command with options that it has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "contrib" / "orchestrator.service"
SINCE = {
    253: "Failed to parse service type, ignoring: notify-reload",
    254: "Unknown key 'FileDescriptorStorePreserve' in section [Service], ignoring.",
}
"""What the unit has of later versions of systemd, as an earlier one warns of it."""


def find_version(analyze: str) -> int:
    shown = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=True).stdout
    return int(shown.split()[1])


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    # The command need not be installed where the unit says: another stands in for it.
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    result = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    warnings = [re.sub(r"^\S+:\d+: ", "", line) for line in result.stderr.splitlines()]
    version = find_version(analyze)
    assert (result.returncode, warnings) == (0, [SINCE[since] for since in sorted(SINCE) if version < since])


def test_its_command_line_is_understood() -> None:
    from click.testing import CliRunner

    from orchestrator.cli.main import group

    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), flags=re.MULTILINE)
    program, verb, *options = command.split()
    assert program.endswith("/orchestrator")
    shown = CliRunner().invoke(group, [verb, "--help"]).output
    for option in options[::2]:
        assert option in shown
