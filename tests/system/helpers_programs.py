"""Programs of one script that are plugin kinds, for tests that run them."""

import json
from pathlib import Path
from typing import Any

DESCRIPTION = {"supported": ["1.0"], "doc": "A kind.", "options": {}}


def write_program(path: Path, script: str = "echo '{}'", description: Any = DESCRIPTION) -> Path:  # noqa: ANN401 - JSON
    """A program that describes itself, and does what ``script`` says for every other verb."""
    text = (
        "#!/bin/sh\n"
        'if [ "$ORCHESTRATOR_COMMAND" = VERSION ]; then\n'
        f"cat <<'END'\n{json.dumps(description)}\nEND\nexit\nfi\n{script}\n"
    )
    path.write_text(text)
    path.chmod(0o755)
    return path
