"""Every error as application/problem+json (RFC 9457) with a stable code; a bug as ``internal`` without details."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from graped import errors
from graped.api.answers import encoded
from graped.api.request_id import current_request_id
from graped.api.types import Problem

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("graped.api")

# The first class that fits decides.
_STATUS: tuple[tuple[type[errors.GrapeError], int], ...] = (
    (errors.UnknownNode, 404),
    (errors.NotFound, 404),
    (errors.NoTarget, 422),
    (errors.BadNodeSet, 422),
    (errors.TooLarge, 413),
    (errors.Conflict, 409),
    (errors.RequestError, 422),
    (errors.ConfigError, 422),
    (errors.StoreError, 503),
    (errors.HardwareError, 503),
    (errors.ServerError, 503),
    (errors.CommandFailed, 503),
    (errors.SshError, 503),
    (errors.TimedOut, 504),
)

_HTTP_CODES = {
    400: ("bad_request", errors.RequestError.title),
    404: (errors.NotFound.code, errors.NotFound.title),
    405: ("method_not_allowed", "This path does not take this method"),
    408: ("request_timeout", "The request did not arrive in time"),
    413: (errors.TooLarge.code, errors.TooLarge.title),
    503: ("overloaded", "graped has no room for this request now"),
}


def problem(
    status: int, code: str, title: str, detail: str, *, hint: str = "", problems: Sequence[str] = ()
) -> Problem:
    """Build the body of an error answer."""
    return Problem(
        type=f"urn:grape:problem:{code}", title=title, status=status, detail=detail, code=code, hint=hint,
        request_id=current_request_id(), problems=tuple(problems),
    )  # fmt: skip


def answer(one: Problem, headers: dict[str, str] | None = None) -> Response:
    """Answer with a problem."""
    return Response(encoded(Problem, one), status_code=one.status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: errors.GrapeError) -> Problem:
    """Turn an expected failure into a problem."""
    status = error.fields.get("status")
    if not isinstance(status, int):
        status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    found = getattr(error, "problems", ())
    return problem(status, error.code, error.title, error.detail, hint=error.hint, problems=[str(one) for one in found])


def of_status(status: int, detail: str = "") -> Problem:
    """Turn a bare HTTP status into a problem."""
    code, title = _HTTP_CODES.get(status, ("bad_request" if status < 500 else "internal", "The request failed"))
    return problem(status, code, title, detail or title)


def of_bug(error: BaseException) -> Problem:
    """Log a bug with its traceback, and tell nothing of it but the request id."""
    log.error("a request failed on a bug", exc_info=error, extra={"fields": {"request_id": current_request_id()}})
    kind = errors.GrapeError
    return problem(500, kind.code, kind.title, "the log of graped tells more under this request id")


def install(app: FastAPI) -> None:
    """Make every error of an app a problem."""

    @app.exception_handler(errors.GrapeError)
    async def grape_error(request: Request, error: errors.GrapeError) -> Response:
        one = of_error(error)
        if one.status >= 500:
            log.warning("a request failed: %s", error, extra={"fields": {"request_id": current_request_id()}})
        return answer(one)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(_of_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        path = request.scope["path"][:200]
        detail = {404: f"there is nothing at {path}", 405: f"{path} does not take {request.method}"}
        headers = {"Allow": ", ".join(_methods(app, request))} if error.status_code == 405 else None
        return answer(of_status(error.status_code, detail.get(error.status_code, str(error.detail))), headers)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Find what a path does take, over all routes that share it: those of its very words, else those of a pattern."""
    found: set[str] = set()
    exact = [route for route in app.routes if getattr(route, "path", "") == request.scope["path"]]
    for route in exact or app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


def _of_validation(found: Sequence[Any]) -> Problem:
    told = [_told(one) for one in found]
    kind = errors.RequestError
    return problem(422, kind.code, kind.title, "; ".join(told)[:1000], problems=told)


def _told(one: Any) -> str:
    """Say one thing that pydantic found, without its own words for types and exceptions."""
    if one.get("type") == "json_invalid":  # the gate of queries finds things of its own, without a type
        return f"body: not JSON: {one['ctx']['error']}, at character {one['loc'][-1]}"
    loc = [part for part in map(str, one["loc"]) if "constrained" not in part]  # a member of a union, named by type
    place = ".".join(loc[1:] or loc)
    return f"{place}: {str(one['msg']).removeprefix('Value error, ')}"
