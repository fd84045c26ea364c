"""Every built-in kind has a heading in the author's guide, and the guide's example is a kind."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plugin import Group, MountKind, Use
from tests.core.helpers_world import answer

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins/README.md").read_text()
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.mark.parametrize("group", [group.value for group in Group])
def test_each_kind_has_a_heading(group: str) -> None:
    for name in ENTRY_POINTS[group]:
        assert f"\n### {name}\n" in GUIDE
    assert f"`{group}`" in GUIDE


def test_the_example_is_a_kind_of_mount() -> None:
    (example, *_) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "plugins/README.md", "exec"), names)
    kind = names["Scratch"](size=4096)
    assert isinstance(kind, MountKind)
    (mount,) = kind.contribute(Use("web", "/cache"), answer(kind.questions())).mounts
    assert mount.options == ("nosuid", "nodev", "size=4096")
