"""Which seccomp profile a definition chooses, and what it says. Compiling one is `orchestrator.core.seccomp`'s part.

Floor: core.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from orchestrator.core.questions import profile_questions
from orchestrator.core.seccomp import ProfileError, compile_profile
from orchestrator.core.silent import no_answer
from orchestrator.core.suggest import quote
from orchestrator.core.values import parse_absolute_path
from orchestrator.model.facts import Facts, HostFacts, PathKind
from orchestrator.model.problem import Fault, Guess
from orchestrator.model.types import SeccompChoice

DEFAULT = SeccompChoice("default")
UNCONFINED = SeccompChoice("unconfined")

_PATH = ("seccomp",)


def parse_choice(text: str) -> SeccompChoice | Fault:
    """``"default"``, ``"unconfined"`` or an absolute path."""
    if text in (DEFAULT, UNCONFINED):
        return SeccompChoice(text)
    if "/" in text:
        path = parse_absolute_path(text)
        return path if isinstance(path, Fault) else SeccompChoice(path)
    message = f'expected "{DEFAULT}", "{UNCONFINED}" or the absolute path of a profile, found {quote(text)}'
    return Fault((), message, guess=Guess(text, (DEFAULT, UNCONFINED)))


@lru_cache(maxsize=16)
def _compile_default(host: HostFacts, capabilities: tuple[str, ...]) -> Mapping[str, Any]:
    """The host's profile takes a millisecond to compile, and nearly all containers have the same capabilities."""
    return compile_profile(host.seccomp_profile, host.machine, host.kernel, capabilities)


def choose_seccomp(
    choice: SeccompChoice, facts: Facts, capabilities: Iterable[str]
) -> Mapping[str, Any] | Fault | None:
    """``linux.seccomp`` for a container with these capabilities; None where every system call may be made."""
    host = facts.host
    if choice == UNCONFINED:
        return None
    if choice == DEFAULT:
        return _compile_default(host, tuple(capabilities))
    path, text = profile_questions(choice)
    if text in facts.unanswered:
        return no_answer(_PATH, text)
    answer, said = facts.paths[path.path], facts.texts[text]
    if said is None:
        return Fault(_PATH, f"cannot read {quote(choice)}: {_explain(answer.kind, answer.detail)}")
    try:
        profile = json.loads(said)
        if not isinstance(profile, Mapping):
            raise ProfileError("it is not a JSON object")
        return compile_profile(profile, host.machine, host.kernel, capabilities)
    except json.JSONDecodeError as error:
        why = f"it is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        why = "it is nested too deep"
    except ValueError as error:  # a ProfileError, or a number of thousands of digits
        why = str(error)
    return Fault(_PATH, f"cannot use the profile {quote(choice)}: {why}", "containers-seccomp.json(5) has the form")


def _explain(kind: PathKind, detail: str) -> str:
    """Why a path has no text, by what stands there."""
    match kind:
        case PathKind.MISSING:
            return "no such file"
        case PathKind.DIRECTORY | PathKind.OTHER:
            return "it is not a file"
        case PathKind.DENIED:
            return detail
        case PathKind.FILE:
            return "it cannot be opened, or has more than 1 MiB"
