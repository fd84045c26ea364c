"""The names in a new project for a plugin, and its files filled in with them. Floor: core."""

import re
from collections.abc import Mapping

from attrs import asdict, frozen

from orchestrator.core.plugged import NOUNS
from orchestrator.core.suggest import quote

LONGEST = 40
"""Characters of a kind's name in a project: those of the folder and the package are made of it."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACEHOLDER = re.compile(r"@([a-z]+)@")


@frozen(kw_only=True)
class ProjectNames:
    """What everything in a project is called."""

    noun: str
    """``mount``, ``network``."""
    group: str
    """The entry-point group."""
    name: str
    """The kind's, as ``type`` has it."""
    distribution: str
    """The package's, as pip has it."""
    module: str
    """The package's, as ``import`` has it."""
    kind: str
    """The class's."""


def name_project(noun: str, name: str) -> ProjectNames | str:
    """The names for a kind ``name`` of a group's noun, or why a project cannot be named so."""
    group = next(group for group in NOUNS if NOUNS[group] == noun)
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        said = "lower-case letters, digits and single hyphens between them, beginning with a letter"
        return f"a kind cannot be called {quote(name)}: write at most {LONGEST} {said}"
    distribution = f"orchestrator-{noun}-{name}"
    return ProjectNames(
        noun=noun,
        group=group.value,
        name=name,
        distribution=distribution,
        module=distribution.replace("-", "_"),
        kind="".join(part.capitalize() for part in (*name.split("-"), noun)),
    )


def fill_in(text: str, names: ProjectNames) -> str:
    """A file of a project, or its path, with the names in the place of ``@name@`` and the like.

    Raises KeyError for a placeholder that means nothing."""
    words: Mapping[str, str] = asdict(names)
    return _PLACEHOLDER.sub(lambda match: words[match[1]], text)
