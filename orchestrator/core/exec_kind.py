"""Makes a plugin kind of a program that describes itself: an options class like any other, whose questions and whose
part on the host are put to the program.

How a program is run is for `orchestrator.system.programs`; what it prints is read by `exec_wire`. Floor: core.
"""

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

import attrs

from orchestrator.core.canonical import canonical_json
from orchestrator.core.defaults import PATH
from orchestrator.core.exec_answer import make_contribution
from orchestrator.core.exec_wire import WrongAnswer, describe_failure, read_option, read_wire
from orchestrator.core.reference import write_toml
from orchestrator.core.reject import Rejected
from orchestrator.core.suggest import list_choices, quote
from orchestrator.model.contribution import Contribution
from orchestrator.model.exec_plugin import ENVIRONMENT, PROTOCOL, Command, OptionDescription, OptionType, Program
from orchestrator.model.exec_wire import WireDescription, WireOption
from orchestrator.model.facts import ExecAnswer, ExecQuestion, Facts, Question
from orchestrator.model.host import Container, Host, HostFailed
from orchestrator.model.kinds import Use
from orchestrator.model.option import Change, option, options_of
from orchestrator.model.registry import Group
from orchestrator.model.types import AbsolutePath, Duration, Size

ATTACH_PATIENCE = 50.0
"""Seconds that a program has for its part on the host: less than a kind has, so that it is the program that is told
of."""

_PLAIN: Mapping[OptionType, Any] = {
    OptionType.STRING: str,
    OptionType.INTEGER: int,
    OptionType.NUMBER: float,
    OptionType.BOOLEAN: bool,
    OptionType.PATH: AbsolutePath,
    OptionType.DURATION: Duration,
    OptionType.SIZE: Size,
}
_NUMBERS = (OptionType.INTEGER, OptionType.NUMBER, OptionType.DURATION, OptionType.SIZE)
_EXAMPLES: Mapping[OptionType, Any] = {
    OptionType.STRING: "text",
    OptionType.INTEGER: 1,
    OptionType.NUMBER: 0.5,
    OptionType.BOOLEAN: True,
    OptionType.PATH: "/srv/data",
    OptionType.DURATION: "10s",
    OptionType.SIZE: "16M",
}


class ExecKind:
    """What all kinds have in common that are programs."""

    __slots__ = ()
    program: ClassVar[Program]

    def questions(self) -> Iterable[Question]:
        """None: what there is to ask depends on the use."""
        return ()

    def questions_for(self, use: Use) -> tuple[Question, ...]:
        """What the program contributes to this use."""
        return (self._ask(use),)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """See `orchestrator.model.kinds.MountKind`."""
        return make_contribution(self.program, facts.programs[self._ask(use)])

    def _ask(self, use: Use) -> ExecQuestion:
        request = {
            "version": PROTOCOL,
            "type": self.program.name,
            "container": use.container,
            **({"destination": use.destination} if use.destination else {}),
            "folders": {"own": use.own, "scratch": use.scratch, "shared": use.shared, "kept": use.kept},
            "options": {
                declared.alias: _to_plain(value)
                for declared in options_of(type(self))
                if (value := getattr(self, declared.name)) is not None
            },
        }
        program = self.program
        return ExecQuestion(program.path, program.digest, Command.CONTRIBUTE.value, canonical_json(request))


def read_program(group: Group, name: str, path: str, digest: str, answer: ExecAnswer) -> Program:
    """A program by its answer to VERSION. Raises WrongAnswer."""
    described = read_wire(answer, WireDescription)
    if PROTOCOL not in described.supported:
        raise WrongAnswer(f"it speaks {list_choices(described.supported) or 'no version'}, and not {quote(PROTOCOL)}")
    return Program(
        path=path,
        digest=digest,
        group=group,
        name=name,
        doc=described.doc,
        attaches=described.attaches,
        options=tuple(_describe_option(name, wire) for name, wire in described.options.items()),
    )


def _describe_option(name: str, wire: WireOption) -> OptionDescription:
    return OptionDescription(
        name=name,
        type=wire.type,
        items=wire.items,
        doc=wire.doc,
        required=wire.required,
        default=wire.default,
        example=wire.example,
        choices=wire.choices,
        minimum=wire.minimum,
        maximum=wire.maximum,
    )


def make_exec_kind(program: Program) -> type[ExecKind]:
    """The kind that a program is. Raises WrongAnswer with all options that cannot be."""
    body: dict[str, Any] = {
        "__doc__": program.doc,
        "__module__": __name__,
        "program": program,
        "type": program.name,
        "attach": staticmethod(_make_attach(program)),
        "detach": staticmethod(_make_detach(program)),
    }
    annotations: dict[str, Any] = {"type": ClassVar[str]}
    reasons: list[str] = []
    for described in program.options:
        try:
            wanted = _find_type(described)
            default = _read_default(described, wanted)
        except _Unfit as error:
            reasons.append(f"options.{described.name}: {error}")
            continue
        # The methods of a kind have names too: as a private field an option may be called as one of them.
        field = f"_{described.name}"
        annotations[field] = wanted if described.required or default is not None else wanted | None
        body[field] = option(
            **({} if described.required else {"default": default}),
            doc=described.doc,
            change=Change.REPLACE,
            minimum=described.minimum,
            maximum=described.maximum,
            example=write_toml(_find_example(described)),
        )
    if reasons:
        raise WrongAnswer(*reasons)
    title = "".join(part.capitalize() for part in program.name.replace(".", "-").split("-"))
    cls: Any = type(title, (ExecKind,), {**body, "__annotations__": annotations})
    kind: type[ExecKind] = attrs.frozen(kw_only=True)(cls)
    return kind


class _Unfit(Exception):
    """An option cannot be as it is described."""


def _find_type(described: OptionDescription) -> Any:  # noqa: ANN401 - a type
    items = _PLAIN.get(described.items)
    if described.choices:
        if described.type is not OptionType.STRING:
            raise _Unfit("only a string has choices")
        if len(set(described.choices)) < len(described.choices):
            raise _Unfit("there is a choice twice")
        # The functional form wants names that are no names of Python; the values are what counts.
        return Enum(described.name.capitalize(), {f"choice {each}": each for each in described.choices})
    if (described.minimum is not None or described.maximum is not None) and described.type not in _NUMBERS:
        raise _Unfit("only a number has a minimum or a maximum")
    if described.required and described.default is not None:
        raise _Unfit("what must be written has no default")
    if described.type in _PLAIN:
        return _PLAIN[described.type]
    if items is None:
        raise _Unfit(f"a {described.type.value} cannot hold another {described.items.value}")
    return tuple[items, ...] if described.type is OptionType.LIST else Mapping[str, items]  # type: ignore[valid-type]


def _read_default(described: OptionDescription, wanted: Any) -> Any:  # noqa: ANN401 - a value and its type
    """What the option is where it is not written; None where that is nothing."""
    for what, value in (("example", described.example), ("default", described.default)):
        if value is not None:
            try:
                read = read_option(value, wanted)
            except Rejected as rejected:
                raise _Unfit(f"its {what}: {rejected.faults[0].message}") from None
    return read if described.default is not None else None


def _find_example(described: OptionDescription) -> Any:  # noqa: ANN401 - JSON data
    for given in (described.example, described.default, *described.choices[:1]):
        if given is not None:
            return given
    if described.type is OptionType.LIST:
        return [_EXAMPLES[described.items]]
    if described.type is OptionType.TABLE:
        return {"name": _EXAMPLES[described.items]}
    return _EXAMPLES[described.type]


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - a value of an option, to JSON data
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def make_environment(command: Command, path: str | None) -> dict[str, str]:
    """All variables that a program is given. path: the agent's own $PATH."""
    return {
        f"{ENVIRONMENT}COMMAND": command.value,
        f"{ENVIRONMENT}VERSION": PROTOCOL,
        "PATH": path or PATH,
        "LANG": "C.UTF-8",
    }


def _make_attach(program: Program) -> Any:  # noqa: ANN401 - a function
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> dict[str, Any] | None:
        """See `orchestrator.model.kinds.Attaching`."""
        output = _run(program, Command.ATTACH, {"work": dict(work)}, container, host)
        if not output.strip():
            return None
        try:
            state: Any = json.loads(output)
        except ValueError as error:
            raise HostFailed(f"{program.path} printed what is no JSON: {error}") from None
        if not isinstance(state, dict):
            raise HostFailed(f"{program.path} printed what is no JSON object")
        return state

    return attach


def _make_detach(program: Program) -> Any:  # noqa: ANN401 - a function
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """See `orchestrator.model.kinds.Attaching`. Once the program is gone nobody knows what it did: what is mounted
        in the folders of the instance is taken away, which would keep these from being removed for ever."""
        folder, _, name = program.path.rpartition("/")
        if name not in host.list_folder(folder):
            for own in (container.own, container.scratch):
                host.unmount(own)
            return
        known = {} if state is None else {"state": dict(state)}
        _run(program, Command.DETACH, {"work": dict(work), **known}, container, host)

    return detach


def _run(program: Program, command: Command, what: Mapping[str, Any], container: Container, host: Host) -> str:
    """What the program prints. Raises HostFailed where it fails, with what it says."""
    request = {
        "version": PROTOCOL,
        "type": program.name,
        "container": container.name,
        "instance": container.instance,
        "folders": {
            "own": container.own,
            "scratch": container.scratch,
            "shared": container.shared,
            "kept": container.kept,
        },
        **({} if container.pid is None else {"pid": container.pid, "netns": container.netns}),
        **what,
    }
    env = make_environment(command, host.getenv("PATH"))
    ran = host.run([program.path], stdin=canonical_json(request).encode(), env=env, timeout=ATTACH_PATIENCE)
    output = ran.output.decode(errors="replace")
    if not ran.success:
        answer = ExecAnswer(ran.code, output, last_line(ran.errors))
        raise HostFailed(f"{program.path} {command.value}: {describe_failure(answer)}")
    return output


def last_line(errors: bytes) -> str:
    """Of what a program wrote to its standard error, what people are told."""
    lines = errors.decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")
