"""Writes what the Nix files here read of the program, as JSON: after an edit of the model or of the defaults run

    .venv/bin/python contrib/nix/generate.py

`schema.json` is what `orchestrator schema` prints, but for bounds beyond Nix's integers: the options of the module.
`defaults.json` is the config.json of a container that asks for nothing, and what the program adds for a closure: what
buildContainer begins with. A test fails when they are not what the program says by now.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core import defaults
from orchestrator.core.encode import to_plain

LARGEST_INTEGER = 2**63 - 1
"""Of the Nix language."""

FOLDER = Path(__file__).parent


def make_files() -> Mapping[str, str]:
    """The texts of the files, by name."""
    return {"schema.json": make_schema(), "defaults.json": make_defaults()}


def make_schema() -> str:
    return json.dumps(drop_bounds(json.loads(run_orchestrator("schema"))), indent=2) + "\n"


def drop_bounds(schema: object) -> object:
    """Without numbers that Nix cannot read: newer versions refuse the whole text, older ones read them wrong."""
    match schema:
        case dict():
            items = ((key, drop_bounds(value)) for key, value in schema.items())
            return {key: value for key, value in items if not isinstance(value, int) or abs(value) <= LARGEST_INTEGER}
        case list():
            return [drop_bounds(item) for item in schema]
    return schema


def make_defaults() -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = {
            "args": ["true"],
            "rootfs": {"type": "directory", "path": name},
            # The program's profile depends on the host that it is on.
            "seccomp": "unconfined",
        }
        (folder / "container.json").write_text(json.dumps(asked))
        run_orchestrator("build", "--output", f"{folder}/bundle", f"{folder}/container.json")
        config = json.loads((folder / "bundle/config.json").read_text())
    # What every container says for itself.
    for key in ("hostname", "root"):
        del config[key]
    for key in ("args", "env"):
        del config["process"][key]
    values = {
        "config": config,
        "path": defaults.PATH,
        "bindOptions": list(defaults.HOST_BIND_OPTIONS),
        "scratchMounts": [to_plain(mount) for mount in defaults.SCRATCH_MOUNTS],
    }
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def run_orchestrator(*arguments: str) -> str:
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"orchestrator {' '.join(arguments)}: {ran.stderr}")
    return ran.stdout


if __name__ == "__main__":
    for name, text in make_files().items():
        (FOLDER / name).write_text(text)
