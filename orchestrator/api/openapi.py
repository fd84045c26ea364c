"""The OpenAPI 3.1 page of the interface: every route, what it takes and what it answers. Floor: api.

The schemas of answers come from the model (`schemas`); what a body or a query may hold stands here, beside `ask`,
which reads it.
"""

import signal
from functools import cache
from typing import Any

from orchestrator import __version__
from orchestrator.api.ask import DEFAULT_LINES, MOST_LINES
from orchestrator.api.outcome import Outcome
from orchestrator.api.problems import MEDIA_TYPE, Kind
from orchestrator.api.schemas import Schema, list_of, make_schemas, object_of, refer_to
from orchestrator.core.status import StatusRow
from orchestrator.model.action import Planned
from orchestrator.model.eventlog import Record
from orchestrator.model.generation import Listed, RolledBack
from orchestrator.model.state import AgentState
from orchestrator.model.types import NAME_PATTERN
from orchestrator.ports import Operation, Part

JSON = "application/json"
LINES = "application/x-ndjson"
"""One JSON value a line, each line as soon as there is something to say."""
TEXT = "text/plain; charset=utf-8"

_TRUTH: Schema = {"type": "boolean"}
_SENTENCES = {
    Operation.START: "Start containers, also those that were stopped.",
    Operation.STOP: "Stop containers; they stay so until started, their file is removed, or the host is booted.",
    Operation.RESTART: "Stop containers and start them again, also those that were stopped.",
}
_PARTS = {
    Part.DEFINITION: "The definition as it is live, defaults in.",
    Part.SPEC: "What the definition was resolved to.",
    Part.CONFIG: "The config.json of the instance, without what files of variables say.",
    Part.ORIGINS: "Which plugin, file, default or key of the definition contributed each part of the config.",
}


@cache
def describe_interface() -> dict[str, Any]:
    """The page, as JSON data."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orchestrator",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "The agent's control socket: root and the agent's own user may connect to it.",
        },
        "servers": [{"url": "http://localhost", "description": "control.sock in the run directory"}],
        "paths": _paths(),
        "components": {"schemas": make_schemas(), "responses": _error_responses()},
    }


def _paths() -> dict[str, Any]:
    one = "/v1/containers/{name}"
    return {
        "/": _get("What there is, for people.", _answer("A page of text.", TEXT, {"type": "string"})),
        "/openapi.json": _get("This page.", _answer("This page.", JSON, {"type": "object"})),
        "/v1/agent": _get("The agent itself.", _answer("Its state.", JSON, refer_to(AgentState))),
        "/v1/containers": _get(
            "All containers.", _answer("As status --json has them.", JSON, list_of(refer_to(StatusRow)))
        ),
        one: _get("One container.", _answer("As status --json has it.", JSON, refer_to(StatusRow)), [_name()], 404),
        **{
            f"{one}/{part.value}": _get(sentence, _answer(sentence, JSON, {"type": "object"}), [_name()], 404, 409)
            for part, sentence in _PARTS.items()
        },
        f"{one}/logs": _get(
            "What the application has written.",
            _answer("Its bytes as they are.", TEXT, {"type": "string"}),
            [_name(), *_span()],
            404,
            409,
            503,
        ),
        f"{one}/kill": _post(
            "Send a signal to the first process of a container.",
            object_of({"signal": _signal()}, ["signal"]),
            {"204": {"description": "It was sent."}},
            [_name()],
            404,
            409,
        ),
        "/v1/plan": _get(
            "What reading the directory now would lead to.",
            _answer("As plan --json has it.", JSON, list_of(refer_to(Planned))),
            [],
            409,
        ),
        "/v1/generations": _get(
            "The generations that are kept.",
            _answer("As history --json has them.", JSON, list_of(refer_to(Listed))),
            [],
            503,
        ),
        "/v1/rollback": _post(
            "Follow a generation instead of the directory.",
            object_of({"generation": _generation()}, []),
            _answer("What came of it.", JSON, refer_to(RolledBack)),
            [],
            409,
            503,
        ),
        "/v1/resume": _post(
            "Follow the directory again.", None, {"204": {"description": "It is followed again."}}, [], 409, 503
        ),
        "/v1/events": _get(
            "What happened to the containers.",
            _answer("A record a line.", LINES, refer_to(Record)),
            [*_span(), _parameter("name", "query", {"type": "string"}, "Of one container only.")],
            404,
            503,
        ),
        **{
            f"/v1/{operation.value}": _post(
                sentence,
                _wish(),
                _answer("An outcome a line, as each name is done.", LINES, refer_to(Outcome)),
                [],
                404,
                409,
                503,
            )
            for operation, sentence in _SENTENCES.items()
        },
        "/v1/shutdown": _post(
            "Stop all containers, then end the agent.", None, {"202": {"description": "It has begun."}}, []
        ),
    }


def _signal() -> Schema:
    """The signals of this host, as `orchestrator.core.values.parse_signal` reads them."""
    names = [name.removeprefix("SIG") for name in signal.Signals.__members__]
    realtime = range(1, signal.SIGRTMAX - signal.SIGRTMIN + 1)
    names += [f"RTMIN\\+{number}" for number in realtime] + [f"RTMAX-{number}" for number in realtime]
    return {
        "type": "string",
        "description": "A name as kill -l has it.",
        "pattern": f"^(SIG)?({'|'.join(names)})$",
        "examples": ["SIGHUP"],
    }


def _generation() -> Schema:
    sentence = "Its number; without one it is the generation before the live one."
    return {"type": "integer", "minimum": 1, "description": sentence, "examples": [7]}


def _wish() -> Schema:
    names = {"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [["web"]]}
    wait = {"description": "Answer as each name is done, or (false) at once.", "default": True, **_TRUTH}
    return {
        "oneOf": [
            object_of({"names": names, "all": {"const": False}, "wait": wait}, ["names"]),
            object_of({"all": {"const": True}, "wait": wait}, ["all"]),
        ]
    }


def _get(sentence: str, answer: dict[str, Any], parameters: list[Schema] | None = None, *errors: int) -> dict[str, Any]:
    return {"get": _operation(sentence, answer, parameters or [], (422, *errors))}


def _post(
    sentence: str, body: Schema | None, answer: dict[str, Any], parameters: list[Schema], *errors: int
) -> dict[str, Any]:
    if body is None:
        return {"post": _operation(sentence, answer, parameters, (413, 422, *errors))}
    operation = _operation(sentence, answer, parameters, (400, 413, 422, *errors))
    return {"post": {**operation, "requestBody": {"required": True, "content": {JSON: {"schema": body}}}}}


def _operation(
    sentence: str, answer: dict[str, Any], parameters: list[Schema], errors: tuple[int, ...]
) -> dict[str, Any]:
    described = {str(status): {"$ref": f"#/components/responses/{_KINDS[status].value}"} for status in sorted(errors)}
    default = {"description": "Another error.", "content": _error_content()}
    return {
        "summary": sentence,
        "parameters": parameters,
        "responses": {**answer, **described, "default": default},
    }


def _answer(sentence: str, media_type: str, schema: Schema) -> dict[str, Any]:
    return {"200": {"description": sentence, "content": {media_type: {"schema": schema}}}}


def _name() -> Schema:
    schema = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "examples": ["web"]}
    return _parameter("name", "path", schema, "The container's name.")


def _span() -> list[Schema]:
    count = {"type": "integer", "minimum": 0, "maximum": MOST_LINES}
    lines = {"anyOf": [count, {"const": "all"}], "default": DEFAULT_LINES}
    return [
        _parameter("lines", "query", lines, "How many of the last lines to begin with."),
        _parameter("follow", "query", {"default": False, **_TRUTH}, "Go on with what comes, without an end."),
    ]


def _parameter(name: str, place: str, schema: Schema, sentence: str) -> Schema:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": sentence}


_KINDS = {
    400: Kind.INVALID,
    404: Kind.UNKNOWN_NAME,
    409: Kind.REFUSED,
    413: Kind.INVALID,
    422: Kind.INVALID,
    503: Kind.UNAVAILABLE,
}


def _error_responses() -> dict[str, Any]:
    sentences = {
        Kind.UNKNOWN_NAME: "There is no container of a name: `names`; `known` are those that there are.",
        Kind.REFUSED: "It cannot be done as things stand; `problems` are those of the definition.",
        Kind.INVALID: "The query or the body is not as described here: `errors`.",
        Kind.UNAVAILABLE: "The host could not do it: a full disk, a file that cannot be read.",
    }
    return {kind.value: {"description": sentence, "content": _error_content()} for kind, sentence in sentences.items()}


def _error_content() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}}
