"""The hooks of the directories that a definition names (oci-hooks(5)): which of them are run for it, and when.

A file that cannot be used is a fault of every definition that names its directory: whether its hook were to be run
cannot be known, and to run a container without it would be a surprise. Floor: core.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from attrs import frozen

from orchestrator.core.hooks_dirs import SUFFIXES
from orchestrator.core.json_text import read_json
from orchestrator.core.parts import Part
from orchestrator.core.patterns import BadPattern, compile_pattern
from orchestrator.core.reject import Rejected
from orchestrator.core.silent import no_answer
from orchestrator.core.strict import describe_fault, make_strict_converter
from orchestrator.core.suggest import quote
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, PathKind, PathQuestion, Question, TextsQuestion
from orchestrator.model.hooks import VERSION, HookConditions, HookFile
from orchestrator.model.oci import Hook
from orchestrator.model.problem import Fault

_REMEMBERED = 64
"""Files whose text is not read again while it is the same."""
_PRECREATE = '"precreate" is podman\'s own, no stage of the runtime-spec: a hook of it would change config.json'


@frozen
class Asked:
    """What the conditions of hooks are about."""

    command: str
    """``process.args[0]``."""
    annotations: Mapping[str, str]
    has_bind_mounts: bool
    """Whether the definition mounts something of the host."""


@frozen
class _Found:
    """A file that counts: no later directory has one of its name."""

    index: int
    """Of its directory."""
    path: str
    file: HookFile | str
    """Or what is wrong with it."""


def program_questions(definition: Definition, facts: Facts) -> tuple[Question, ...]:
    """Whether the programs are there, once it is known what the files say."""
    files = (found.file for found in _find_files(definition, facts))
    return tuple(dict.fromkeys(PathQuestion(file.hook.path) for file in files if isinstance(file, HookFile)))


def find_hook_parts(definition: Definition, asked: Asked, facts: Facts) -> tuple[Part, ...]:
    """The hooks that are run for a definition, by their files' names in lower case; and what is wrong, with paths that
    begin at the directory."""
    parts = [
        Part(("hooks_dirs", index), Contribution(faults=(fault,)))
        for index, folder in enumerate(definition.hooks_dirs)
        if (fault := _check_folder(folder, facts)) is not None
    ]
    for found in _find_files(definition, facts):
        why = found.file if isinstance(found.file, str) else _check_program(found.file, facts)
        made = Contribution(faults=(Fault((), f"cannot use the hook {found.path}: {why}"),)) if why else None
        if made is None and isinstance(found.file, HookFile) and _holds(found.file.when, asked):
            made = Contribution(hooks=tuple(_make_hooks(found.file)))
        if made is not None:
            parts.append(Part(("hooks_dirs", found.index), made, file=found.path))
    return tuple(parts)


def _find_files(definition: Definition, facts: Facts) -> tuple[_Found, ...]:
    """The files that count, in their order: a later directory hides files of the same name."""
    files: dict[str, _Found] = {}
    for index, folder in enumerate(definition.hooks_dirs):
        for name, text in facts.folder_texts[TextsQuestion(folder, SUFFIXES)] or ():
            file = "it cannot be read" if text is None else read_hook(text)
            files[name] = _Found(index, f"{folder}/{name}", file)
    return tuple(files[name] for name in sorted(files, key=lambda name: (name.lower(), name)))


@lru_cache(_REMEMBERED)
def read_hook(text: str) -> HookFile | str:
    """A file, or all that is wrong with it."""
    table = read_json(text)
    if isinstance(table, tuple):
        return describe_fault(table[0])
    if table.get("version") != VERSION:
        return f"version: it is {json.dumps(table.get('version'))}, and only {quote(VERSION)} is known"
    stages = table.get("stages")
    if isinstance(stages, list) and "precreate" in stages:
        return f"stages: {_PRECREATE}"
    try:
        file: HookFile = make_strict_converter().structure(table, HookFile)
    except Rejected as rejected:
        return "; ".join(map(describe_fault, rejected.faults))
    return "; ".join(_find_misfits(file)) or file


def _find_misfits(file: HookFile) -> Iterator[str]:
    when = file.when
    if not file.stages:
        yield "stages: there is none"
    if (when.always, when.annotations, when.commands, when.hasBindMounts) == (None,) * 4:
        yield "when: there is no condition"
    annotations = [(f"when.annotations.{quote(name)}", each) for name, each in (when.annotations or {}).items()]
    names = [("when.annotations", name) for name in when.annotations or {}]
    commands = [(f"when.commands[{index}]", each) for index, each in enumerate(when.commands or ())]
    for path, pattern in (*names, *annotations, *commands):
        try:
            compile_pattern(pattern)
        except BadPattern as error:
            yield f"{path}: {error}"


def _check_folder(folder: str, facts: Facts) -> Fault | None:
    question = TextsQuestion(folder, SUFFIXES)
    if question in facts.unanswered:
        return no_answer((), question)
    answer = facts.paths[folder]
    if answer.kind is PathKind.DIRECTORY and facts.folder_texts[question] is not None:
        return None
    match answer.kind:
        case PathKind.MISSING:
            why = "no such directory"
        case PathKind.DIRECTORY:
            why = "it cannot be read"
        case _:
            why = answer.detail or "not a directory"
    return Fault((), f"cannot use {quote(folder)}: {why}")


def _check_program(file: HookFile, facts: Facts) -> str:
    answer = facts.paths[file.hook.path]
    if answer.kind is PathKind.FILE:
        return ""
    why = answer.detail or ("no such file" if answer.kind is PathKind.MISSING else "it is no file")
    return f"cannot run {quote(file.hook.path)}: {why}"


def _holds(when: HookConditions, asked: Asked) -> bool:
    """Whether all conditions that are written hold."""
    return (
        when.always is not False
        and (when.hasBindMounts is None or (when.hasBindMounts and asked.has_bind_mounts))
        and (when.commands is None or any(_matches(pattern, asked.command) for pattern in when.commands))
        and all(_any_matches(name, value, asked.annotations) for name, value in (when.annotations or {}).items())
    )


def _any_matches(name: str, value: str, annotations: Mapping[str, str]) -> bool:
    return any(_matches(name, key) and _matches(value, annotations[key]) for key in annotations)


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches somewhere: it is anchored where it says so."""
    return compile_pattern(pattern).search(text) is not None


def _make_hooks(file: HookFile) -> Iterable[Hook]:
    hook = file.hook
    for stage in dict.fromkeys(file.stages):
        yield Hook(stage=stage, path=hook.path, args=hook.args, env=tuple(hook.env), timeout=hook.timeout)
