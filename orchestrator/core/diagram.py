"""The lifecycle's table as a picture, so that the one in README.md cannot be another than the one that runs.

Mermaid's state diagram, https://mermaid.js.org/syntax/stateDiagram.html Floor: core.
"""

from orchestrator.core.lifecycle import TABLE, Effect, Event
from orchestrator.model.life import Phase


def draw_lifecycle() -> str:
    """The text of the diagram: an arrow for each pair of phases, labelled with its events and their effects.

    Cells that change nothing are left out, and so are those that cannot happen.
    """
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), cell in TABLE.items():
        if cell is None or cell == (phase, ()):
            continue
        following, effects = cell
        arrows.setdefault((phase, following), []).append(_label(event, effects))
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.IDLE.value}"]
    lines += [f"    {old.value} --> {new.value}: {_join(labels)}" for (old, new), labels in arrows.items()]
    return "\n".join(lines) + "\n"


def _label(event: Event, effects: tuple[Effect, ...]) -> str:
    return f"{event.value} / {', '.join(effect.value for effect in effects)}" if effects else event.value


def _join(labels: list[str]) -> str:
    """Events that do the same are told together: ``halt, replace / signal``."""
    by_effect: dict[str, list[str]] = {}
    for label in labels:
        event, slash, effects = label.partition(" / ")
        by_effect.setdefault(slash + effects, []).append(event)
    return "; ".join(f"{', '.join(events)}{effects}" for effects, events in by_effect.items())
