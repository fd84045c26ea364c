"""Errors as RFC 9457 has them: application/problem+json, with the members that a program can go by. Floor: api.

``type`` leads to the response's description in the OpenAPI page; where there is nothing to add to the status it is
``about:blank``, as section 4.2.1 asks.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse

from orchestrator.core.encode import to_plain
from orchestrator.core.suggest import suggest_similar
from orchestrator.ports import OutsideError, Refused, UnknownName

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """The errors that say more than their status does; each value is a name in the OpenAPI page."""

    UNKNOWN_NAME = "UnknownName"
    REFUSED = "Refused"
    INVALID = "Invalid"
    UNAVAILABLE = "Unavailable"

    @property
    def uri(self) -> str:
        """The ``type`` of a problem, relative to the server's root."""
        return f"/openapi.json#/components/responses/{self.value}"


class Invalid(Exception):
    """What was asked for is not well formed, or is not what the interface describes.

    ``errors`` are ``{"detail", "pointer"}`` (RFC 6901, into the body) or ``{"detail", "parameter"}``.
    """

    def __init__(self, status: int, detail: str, errors: Iterable[Mapping[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = [dict(error) for error in errors]


class UnknownNames(OutsideError):
    """There are no containers of these names; all of them are told at once."""

    def __init__(self, names: Iterable[str], known: Iterable[str]) -> None:
        self.names = tuple(names)
        self.known = tuple(known)
        super().__init__("; ".join(_describe_unknown(name, self.known) for name in self.names))


def problem_response(
    path: str,
    status: int,
    detail: str,
    kind: Kind | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - JSON data
) -> JSONResponse:
    """An error as a response. path: what was asked for, decoded; members: what stands beside those of the RFC."""
    content = {
        "type": "about:blank" if kind is None else kind.uri,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": quote(path),
        **members,
    }
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """400, 413 or 422: `Invalid`."""
    assert isinstance(error, Invalid)
    return problem_response(request.url.path, error.status, error.detail, Kind.INVALID, errors=error.errors)


async def answer_outside(request: Request, error: Exception) -> JSONResponse:
    """404 for names that are not there, 409 for what is refused, 503 for what the host could not do."""
    path = request.url.path
    if isinstance(error, UnknownName):
        error = UnknownNames([error.name], error.known)
    if isinstance(error, UnknownNames):
        return problem_response(
            path, 404, str(error), Kind.UNKNOWN_NAME, names=list(error.names), known=list(error.known)
        )
    if isinstance(error, Refused):
        return problem_response(path, 409, str(error), Kind.REFUSED, problems=to_plain(error.problems))
    return problem_response(path, 503, str(error), Kind.UNAVAILABLE)


def _describe_unknown(name: str, known: Iterable[str]) -> str:
    hint = suggest_similar(name, known)
    return f'there is no container "{name}"{f" ({hint})" if hint else ""}'
