"""The picture of the lifecycle: whole, and the one that README shows."""

from pathlib import Path

from orchestrator.core.diagram import draw_lifecycle
from orchestrator.model.life import Phase

README = Path(__file__).parents[2] / "README.md"


def test_readme_shows_the_table_that_runs() -> None:
    assert f"```mermaid\n{draw_lifecycle()}```" in README.read_text()


def test_every_phase_is_in_it() -> None:
    drawn = draw_lifecycle()
    for phase in Phase:
        assert f"--> {phase.value}" in drawn
