"""What the methods of a plugin kind are given, made up; and a definition that uses a kind, read as the agent reads it.

Floor: testing.
"""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from orchestrator.core.locate import locate_faults
from orchestrator.core.parse import parse_definition
from orchestrator.core.plugged import find_uses
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import HostFacts
from orchestrator.model.host import Container
from orchestrator.model.kinds import MountKind, NetworkKind, Use, folder_name
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.model.types import MountPath
from orchestrator.testing.facts import HOST, make_facts

LAYOUT = Layout("/var/lib/orchestrator", "/run/orchestrator")
"""Where everything lies on the made-up host."""

K = TypeVar("K", bound=MountKind | NetworkKind)


def make_use(destination: str = "", container: str = "web") -> Use:
    """The use of a mount at a destination, or of a network, by a container."""
    return Use(container, destination)


def make_container(use: Use, *, instance: str = "", pid: int | None = None) -> Container:
    """The instance of a container, as `attach` and `detach` are told of it. instance: its id, by default ``NAME-1``.
    pid: of its first process, for what is done between create and start."""
    instance = instance or f"{use.container}-1"
    folder = folder_name(use.destination)
    return Container(
        name=use.container,
        instance=instance,
        own=f"{LAYOUT.own(instance)}/{folder}",
        scratch=f"{LAYOUT.scratch(instance)}/{folder}",
        shared=LAYOUT.shared,
        kept=LAYOUT.kept,
        pid=pid,
    )


def contribute(kind: MountKind | NetworkKind, use: Use, **world: Any) -> Contribution:  # noqa: ANN401 - see make_facts
    """What a kind contributes on a host of which `make_facts` is given ``world``: files, folders, links, host."""
    return kind.contribute(use, make_facts(kind.questions(), **world))


def read_kind(kind: type[K], options: str, *, destination: str = "/data") -> K:
    """The kind with these options, TOML as it stands in its table. Raises AssertionError, with what a user would be
    told, where they are wrong."""
    text = f'args = ["/bin/true"]\n[mounts."{destination}"]\ntype = "{_name_of(kind)}"\n{options}'
    definition = _parse(kind, text)
    if not isinstance(definition, Definition):
        raise AssertionError("\n".join(map(str, locate_faults("web.toml", text, definition))))
    found = definition.mounts[MountPath(destination)]
    assert isinstance(found, kind), "the table says its type"
    return found


def find_problems(
    kind: type[Any],
    text: str,
    *,
    files: Mapping[str, str] | None = None,
    folders: Collection[str] = (),
    links: Mapping[str, str] | None = None,
    host: HostFacts = HOST,
) -> list[str]:
    """What a user is told of a definition that uses a kind: ``web.toml:2:8: mounts."/data".source: …``, a line each.

    text: of the whole definition. files, folders, links, host: of the host, as of `make_facts`. Only what stands in the
    file and in the kind's table is looked at.
    """
    definition = _parse(kind, text)
    faults: list[Fault] = []
    if isinstance(definition, Definition):
        for use in find_uses("web", definition):
            facts = make_facts(use.ask(), files=files, folders=folders, links=links, host=host)
            faults += (fault.below(*use.path) for fault in use.contribute(facts).faults)
    else:
        faults += definition
    return [str(problem) for problem in locate_faults("web.toml", text, faults)]


def _parse(kind: type[Any], text: str) -> Definition | tuple[Fault, ...]:
    name = _name_of(kind)
    registry = Registry().with_kind(Group.MOUNTS, name, kind).with_kind(Group.NETWORKS, name, kind)
    return parse_definition(Source("web", "web.toml", text), registry)


def _name_of(kind: type[Any]) -> str:
    """By which a definition names it: that of its entry point, which `type` repeats."""
    return str(getattr(kind, "type", kind.__name__.lower()))
