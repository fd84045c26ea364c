"""A file of a hooks directory, as oci-hooks(5) of the containers tools has it: version 1.0.0.

https://github.com/containers/common/blob/main/pkg/hooks/docs/oci-hooks.5.md Read by `orchestrator.core.hooks`.
Floor: model.
"""

from collections.abc import Mapping

from attrs import frozen

from orchestrator.model.cdi import Variable
from orchestrator.model.oci import HookStage
from orchestrator.model.option import part
from orchestrator.model.types import AbsolutePath

VERSION = "1.0.0"


@frozen(kw_only=True)
class HookProgram:
    """``hook``: what is run."""

    path: AbsolutePath = part("The program, on the host.")
    args: tuple[str, ...] = part("Its arguments, its name first.", default=())
    env: tuple[Variable, ...] = part("All of its environment.", default=())
    timeout: int | None = part("Seconds that it may take.", default=None, minimum=1)


@frozen(kw_only=True)
class HookConditions:
    """``when``: all that are written must hold, and one must be."""

    always: bool | None = part("Holds where it is true.", default=None)
    annotations: Mapping[str, str] | None = part("Patterns of names, each with one of the value.", default=None)
    commands: tuple[str, ...] | None = part("Patterns, of which the command matches one.", default=None)
    hasBindMounts: bool | None = part("Holds where it is true and something of the host is mounted.", default=None)


@frozen(kw_only=True)
class HookFile:
    """A file."""

    version: str = part("Of the format.")
    hook: HookProgram = part("What is run.")
    when: HookConditions = part("For which containers.")
    stages: tuple[HookStage, ...] = part("When.")
