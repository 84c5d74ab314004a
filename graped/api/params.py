"""What stands in paths and queries, with its limits. Unknown and repeated parameters are refused, not ignored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from graped.api.nodesets import PATTERN

MAX_ID = 2**53 - 1
MAX_WAIT_S = 60.0
_MOMENT = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0, "maximum": 1e9}],
    "type": None,
}


def _whole(value: object) -> object:
    """Take digits only: ``1.0``, ``1_000`` and `` 1`` are no ids."""
    if isinstance(value, str) and not (value.removeprefix("-").isdigit() and value.isascii()):
        raise ValueError("write a whole number in digits")
    return value


def _true_or_false(value: object) -> object:
    """Take the two words of JSON only."""
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("write true or false")
        return value == "true"
    return value


def _moment_schema(schema: dict[str, Any]) -> None:
    schema.pop("type", None)
    schema["anyOf"] = _MOMENT["anyOf"]


Nodes = Annotated[
    str,
    Query(
        min_length=1,
        max_length=8000,
        description="A node set: `worker-0-[0-3]`, `@all`, `@stack:0`, `@on`, `@off`, `@unknown`, `@up`, `@fault`, "
        "`@empty`, `@slots`; operators `,` (and) `!` (without) `&` (that are also) `^` (in one of the two).",
        json_schema_extra={"pattern": PATTERN},
    ),
]
Revision = Annotated[int, BeforeValidator(_whole), Query(ge=0, le=MAX_ID)]
Version = Annotated[int | SkipJsonSchema[None], BeforeValidator(_whole), Query(ge=0, le=2**32 - 1)]
WaitS = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Seconds to wait before answering all the same.")
]
Limit = Annotated[int, BeforeValidator(_whole), Query(ge=1, le=1000)]
Id = Annotated[int | SkipJsonSchema[None], BeforeValidator(_whole), Query(ge=0, le=MAX_ID)]
Flag = Annotated[bool, BeforeValidator(_true_or_false), Query()]
EventKind = Annotated[
    str | SkipJsonSchema[None],
    Query(max_length=80, pattern=r"^[a-z_]+(?:\.[a-z_]+)*$", description="A kind, or a family: `power`."),
]
StackKey = Annotated[int | SkipJsonSchema[None], BeforeValidator(_whole), Query(ge=0, le=MAX_ID)]
MeterWord = Annotated[
    Literal["voltage", "current", "power", "temperature"] | SkipJsonSchema[None], Query()
]  # fmt: skip
Moment = Annotated[
    str,
    Query(max_length=40, description="An RFC 3339 time, or seconds ago.", json_schema_extra=_moment_schema),
]
StepS = Annotated[
    float, Query(ge=0, le=86400, allow_inf_nan=False, description="Seconds a point stands for; 0: as kept.")
]
PathId = Annotated[int, BeforeValidator(_whole), Path(ge=0, le=MAX_ID)]


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not know: a mistyped ``limt`` must not mean "no limit"."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check the query before FastAPI does."""
        known = {field.alias for field in self.dependant.query_params}
        inner = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                _check(request, known)
            return await inner(request)

        return strict


def _check(request: Request, known: set[str]) -> None:
    seen: set[str] = set()
    found = []
    for name, _value in request.query_params.multi_items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            told = f"no such parameter; did you mean {near[0]}?" if near else "no such parameter"
            found.append({"loc": ("query", name[:80]), "msg": told})
        elif name in seen:
            found.append({"loc": ("query", name), "msg": "given more than once"})
        seen.add(name)
    if found:
        raise RequestValidationError(found)
