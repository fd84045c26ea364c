"""Wheels that are built here, and a venv of its own to install them into; no network is needed for either."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that has to succeed, without what this process has of Python and the agent."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ORCHESTRATOR_", "PYTHON", "VIRTUAL_ENV"))
    }
    result = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result


def build_wheel(project: Path, folder: Path) -> Path:
    """The wheel of a project, in an empty folder."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def make_venv(folder: Path, *wheels: Path) -> Path:
    """A venv with these wheels in it; what they depend on beside each other is that of the venv that runs this."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", *wheels, cwd=folder)
    (packages,) = folder.glob("lib/python3*/site-packages")
    # A path named by a .pth file is searched, but its own .pth files, as that of an editable install, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder
