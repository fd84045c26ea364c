"""Kinds that are programs: what they say of themselves becomes an options class like any other."""

import json
from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.exec_kind import make_exec_kind, read_program
from orchestrator.core.exec_wire import WrongAnswer
from orchestrator.core.fields import describe_whole
from orchestrator.core.parse import parse_definition
from orchestrator.core.schema import make_schema
from orchestrator.model.contribution import Stage
from orchestrator.model.definition import Definition
from orchestrator.model.facts import ExecAnswer
from orchestrator.model.host import Ran
from orchestrator.model.kinds import AskingByUse, Attaching, MountKind
from orchestrator.model.registry import Group
from orchestrator.model.source import Source
from orchestrator.plugin import Container, HostFailed
from tests.plugins.helpers_exec import (
    DESCRIPTION,
    OPTIONS,
    PATH,
    make_kind,
    printed,
    problems_of,
    question_of,
    registry,
    use_of,
)


def test_a_program_is_a_kind_like_any_other() -> None:
    kind = make_kind()
    made = kind(size=4096)  # type: ignore[call-arg]
    assert isinstance(made, MountKind)
    assert isinstance(made, Attaching)
    assert isinstance(made, AskingByUse)
    assert (kind.__name__, kind.__doc__, kind.program.attaches) == ("Disk", "A disk.", (Stage.CONNECT, Stage.PREPARE))
    assert made == kind(size=4096)  # type: ignore[call-arg]


def test_mistakes_in_its_options_are_told_with_their_place() -> None:
    kind = make_kind()
    assert problems_of(kind, 'sise = "1M"\nmode = "saft"') == [
        'web.toml:2:9: mounts."/disk": missing key "size" (write size = "16M")',
        'web.toml:4:1: mounts."/disk".sise: unknown key "sise" (did you mean "size"?)',
        'web.toml:5:8: mounts."/disk".mode: expected "fast" or "safe", found "saft" (did you mean "safe"?)',
    ]
    wrong = 'size = 1\nwait = 5\nlabels = { a = "b" }\ntags = [1]\nattach = "true"\nratio = 2\ncount = 1.5\nat = "x"'
    messages = [each.split(": ", 2)[1:] for each in problems_of(kind, wrong)]
    assert [path for path, _ in messages] == [
        f'mounts."/disk".{key}' for key in ("size", "wait", "labels.a", "tags[0]", "attach", "ratio", "count", "at")
    ]


def test_its_options_are_in_the_schema() -> None:
    (table,) = make_schema(registry(make_kind()))["properties"]["mounts"]["additionalProperties"]["oneOf"]
    assert (table["description"], table["required"]) == ("A disk.", ["type", "size"])
    assert list(table["properties"]) == ["type", *OPTIONS]
    assert table["properties"]["mode"] == {
        "enum": ["fast", "safe"],
        "description": "How.",
        "default": "safe",
        "examples": ["safe"],
        "x-change": "replace",
    }
    assert table["properties"]["wait"]["default"] == "1m30s"
    assert table["properties"]["ratio"]["maximum"] == 1


def test_what_a_program_is_asked() -> None:
    used = use_of(make_kind(), 'size = "1M", wait = "500ms", tags = ["b", "a"], labels = { x = 1 }, at = "/a//b"')
    question = question_of(used)
    assert (question.path, question.digest, question.command) == (PATH, "d1", "CONTRIBUTE")
    assert json.loads(question.request) == {
        "version": "1.0",
        "type": "disk",
        "container": "web",
        "destination": "/disk",
        "folders": {
            "own": used.use.own,
            "scratch": used.use.scratch,
            "shared": used.use.shared,
            "kept": used.use.kept,
        },
        "options": {
            "size": 1048576,
            "mode": "safe",
            "wait": 0.5,
            "labels": {"x": 1},
            "tags": ["b", "a"],
            "attach": False,
            "at": "/a/b",
        },
    }


def test_the_same_options_are_the_same_question_however_they_are_written() -> None:
    kind = make_kind()
    same = [use_of(kind, text) for text in ('size = "1M", wait = "90s"', 'wait = "1m30s", size = 1048576')]
    assert question_of(same[0]) == question_of(same[1])
    assert question_of(use_of(kind, 'size = "2M"')) != question_of(same[0])


def test_a_definition_with_it_is_shown_whole() -> None:
    kind = make_kind()
    text = 'args = ["web"]\nmounts."/disk" = { type = "disk", size = "1M" }\n'
    definition = parse_definition(Source("web", "web.toml", text), registry(kind))
    assert isinstance(definition, Definition)
    assert describe_whole(definition, registry(kind))["mounts"]["/disk"] == {
        "type": "disk",
        "size": "1M",
        "mode": "safe",
        "wait": "1m30s",
        "labels": None,
        "tags": None,
        "attach": False,
        "ratio": None,
        "count": None,
        "at": None,
    }


def describe(name: str = "x", **option: object) -> dict[str, Any]:
    return {**DESCRIPTION, "options": {name: {"type": "string", "doc": "One.", **option}}}


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ({**DESCRIPTION, "supported": ["0.9", "2.0"]}, 'it speaks "0.9" or "2.0", and not "1.0"'),
        ({**DESCRIPTION, "suported": []}, 'suported: unknown key "suported" (did you mean "supported"?)'),
        ({"supported": ["1.0"]}, 'missing key "doc"'),
        ({**DESCRIPTION, "attaches": ["connected"]}, "attaches[0]: expected "),
        (describe(type="strings"), 'options.x.type: expected "string"'),
        (describe("class"), 'options.class: no option can be called "class"'),
        (describe("Size"), 'options.Size: "Size" is no name of an option'),
        (describe("type"), 'options.type: no option can be called "type"'),
        (describe(minimum=1), "options.x: only a number has a minimum or a maximum"),
        (describe(type="integer", choices=["a"]), "options.x: only a string has choices"),
        (describe(choices=["a", "a"]), "options.x: there is a choice twice"),
        (describe(choices=["a"], default="b"), 'options.x: its default: expected "a", found "b"'),
        (describe(type="size", default="1 MB"), 'options.x: its default: "1 MB" is not a size'),
        (describe(type="duration", example=5), "options.x: its example: expected a duration, found the integer 5"),
        (describe(required=True, default="a"), "options.x: what must be written has no default"),
        (describe(type="list", items="table"), "options.x: a list cannot hold another table"),
        ([], "what it printed is no JSON object: "),
    ],
)
def test_a_wrong_description_is_told(description: object, why: str) -> None:
    with pytest.raises(WrongAnswer) as caught:
        make_exec_kind(read_program(Group.MOUNTS, "disk", PATH, "d1", printed(description)))
    assert any(reason.startswith(why) for reason in caught.value.reasons), caught.value.reasons
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_with_a_description_is_told_at_once() -> None:
    wrong = {"a": {"type": "string", "doc": "", "minimum": 1}, "b": {"type": "list", "doc": "", "items": "list"}}
    with pytest.raises(WrongAnswer) as caught:
        make_kind({**DESCRIPTION, "options": wrong})
    assert len(caught.value.reasons) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ExecAnswer(None, detail="it took longer than 2 s"), "it took longer than 2 s"),
        (ExecAnswer(127, errors="disk: not found"), "exit code 127: disk: not found"),
        (ExecAnswer(137), "signal 9, and nothing that says why"),
        (ExecAnswer(1, '{"code": 4, "msg": "no", "details": "way"}'), "no: way (code 4)"),
        (ExecAnswer(1, '{"code": "4"}', "usage"), "exit code 1: usage"),
        (ExecAnswer(0), "it printed nothing, where a JSON object is to be"),
        (ExecAnswer(0, "usage: disk"), "what it printed is no JSON object: line 1, column 1: not valid JSON"),
    ],
)
def test_a_program_that_does_not_describe_itself(answer: ExecAnswer, why: str) -> None:
    with pytest.raises(WrongAnswer) as caught:
        read_program(Group.NETWORKS, "disk", PATH, "d1", answer)
    assert str(caught.value).startswith(why)


class Programs:
    """A host on which one program is run, and nothing else is done."""

    def __init__(self, ran: Ran) -> None:
        self.ran = ran
        self.args: list[str] = []
        self.request: dict[str, Any] = {}
        self.env: dict[str, str] = {}
        self.timeout = 0.0
        self.gone = False
        self.unmounted: list[str] = []

    def list_folder(self, path: str) -> tuple[str, ...]:
        folder, _, name = PATH.rpartition("/")
        return (name,) if path == folder and not self.gone else ()

    def unmount(self, target: str) -> None:
        self.unmounted.append(target)

    def getenv(self, name: str) -> str | None:
        return {"PATH": "/opt/bin"}.get(name)

    def run(self, args: list[str], *, stdin: bytes, env: dict[str, str], timeout: float) -> Ran:
        self.args, self.request, self.env, self.timeout = args, json.loads(stdin), env, timeout
        return self.ran


CONTAINER = Container(name="web", instance="web-1", own="/own", scratch="/scratch", shared="/shared", kept="/kept")


def test_attach_and_detach_are_put_to_the_program() -> None:
    kind: Any = make_kind()
    host = Programs(Ran(0, b'{"loop": 3}\n', b"noise"))
    running = evolve(CONTAINER, pid=42)
    assert kind.attach({"a": 1}, running, host) == {"loop": 3}
    folders = {"own": "/own", "scratch": "/scratch", "shared": "/shared", "kept": "/kept"}
    common = {"version": "1.0", "type": "disk", "container": "web", "instance": "web-1", "folders": folders}
    assert host.request == {**common, "pid": 42, "netns": "/proc/42/ns/net", "work": {"a": 1}}
    assert (host.args, host.timeout) == ([PATH], 50.0)
    assert host.env == {
        "ORCHESTRATOR_COMMAND": "ATTACH",
        "ORCHESTRATOR_VERSION": "1.0",
        "PATH": "/opt/bin",
        "LANG": "C.UTF-8",
    }
    kind.detach({"a": 1}, {"loop": 3}, CONTAINER, host)
    assert host.request == {**common, "work": {"a": 1}, "state": {"loop": 3}}
    assert host.env["ORCHESTRATOR_COMMAND"] == "DETACH"
    kind.detach({"a": 1}, None, CONTAINER, host)
    assert "state" not in host.request, "attach did not come to its end"


def test_without_its_program_what_it_mounted_for_the_instance_is_taken_away() -> None:
    kind: Any = make_kind()
    host = Programs(Ran(0, b"", b""))
    host.gone = True
    kind.detach({"a": 1}, None, CONTAINER, host)
    assert (host.args, host.unmounted) == ([], ["/own", "/scratch"])


def test_attach_may_have_nothing_to_say() -> None:
    kind: Any = make_kind()
    assert kind.attach({}, CONTAINER, Programs(Ran(0, b" \n", b""))) is None


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        (Ran(5, b'{"code": 5, "msg": "no loop device"}', b""), f"{PATH} ATTACH: no loop device (code 5)"),
        (Ran(1, b"", b"+ losetup\nlosetup: none left\n"), f"{PATH} ATTACH: exit code 1: losetup: none left"),
        (Ran(0, b"[]", b""), f"{PATH} printed what is no JSON object"),
        (Ran(0, b"done", b""), f"{PATH} printed what is no JSON: "),
    ],
)
def test_an_attach_that_fails_says_why(ran: Ran, why: str) -> None:
    kind: Any = make_kind()
    with pytest.raises(HostFailed) as caught:
        kind.attach({}, CONTAINER, Programs(ran))
    assert str(caught.value).startswith(why)
