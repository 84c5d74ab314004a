"""The OpenAPI document: which errors a route answers, and that they are problem+json."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from graped.api.problems import MEDIA_TYPE
from graped.api.types import Problem

_SAID = {
    400: "The bytes are no HTTP request, or the body cannot be read",
    404: "A node, stack, job, image or fault that does not exist",
    408: "The request did not arrive in time",
    409: "The state of the cluster forbids it",
    413: "The body is over 64 KiB",
    422: "A parameter or the body is wrong",
    500: "A bug in graped; nothing of it is told here",
    503: "Hardware, store or a server cannot answer now",
}

DESCRIPTION = """\
HTTP and JSON over a Unix socket. Times are RFC 3339 in UTC, meter values integers in milli-units.
Every error is `application/problem+json` with a stable `code`. Each answer carries an `X-Request-Id`.

`GET /v1/events/stream` (not listed below, as it never ends) sends the event log as Server-Sent Events: each with `id`,
`event` (its kind) and `data` (an Event). It goes on after `Last-Event-ID` or `?after=`, else with what is new;
`?kind=` chooses a kind or family. A comment comes every 15 s, and `journal.gap` stands for events that are lost.
"""


def errors(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Declare the error answers of a route, besides those that every route has."""
    every = {*statuses, 422, 500, 503, *((400, 408, 413) if body else ())}
    return {status: {"model": Problem, "description": _SAID[status]} for status in sorted(every)}


def install(app: FastAPI) -> None:
    """Write the document when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_TAGS
            )
            _name_problems(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _name_problems(document: dict[str, Any]) -> None:
    """FastAPI declares every model as application/json: say what errors really are, and the header all answers have."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if int(status) >= 400:
                    response["content"] = {MEDIA_TYPE: next(iter(content.values()))}
                response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}, "required": True}


_TAGS = [
    {"name": "cluster", "description": "What is: stacks, slots, nodes."},
    {"name": "power", "description": "Switching, planned first."},
    {"name": "guards", "description": "Clients that are asked before nodes lose power."},
    {"name": "jobs", "description": "Power commands and long work, and how far they are."},
    {"name": "images", "description": "Immutable versions of what nodes boot."},
    {"name": "roots", "description": "Each node's own file system, built on an image."},
    {"name": "remote", "description": "Commands and files on nodes, over SSH."},
    {"name": "meters", "description": "Voltage, current, power, temperature."},
    {"name": "events", "description": "The event log."},
    {"name": "config", "description": "The configuration in force."},
    {"name": "sim", "description": "Only where graped simulates its hardware."},
    {"name": "doctor", "description": "What keeps nodes from booting, and what to do."},
    {"name": "metrics", "description": "For Prometheus."},
]
