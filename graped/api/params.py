"""What stands in paths and queries, with its limits. Unknown and repeated parameters are refused, not ignored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from fastapi import Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from graped.api.bodies import MAX_ID
from graped.api.nodesets import PATTERN

MAX_WAIT_S = 60.0
_MOMENT = [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0, "maximum": 1e9}]


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
    for one in ("type", "maxLength"):
        schema.pop(one, None)
    schema["anyOf"] = _MOMENT


Nodes = Annotated[
    str,
    Query(
        min_length=1,
        description="A node set: `worker-0-[0-3]`, `@all`, `@stack:0`, `@on`, `@off`, `@unknown`, `@up`, `@fault`, "
        "`@empty`, `@slots`; operators `,` (and) `!` (without) `&` (that are also) `^` (in one of the two).",
        json_schema_extra={"pattern": PATTERN},
        examples=["worker-0-[0-3]", "@stack:0"],
    ),
]
Version = Annotated[Annotated[int, Ge(0), Le(2**32 - 1), BeforeValidator(_whole)] | SkipJsonSchema[None], Query()]
WaitS = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Seconds to wait before answering all the same.")
]
Limit = Annotated[int, Ge(1), Le(1000), BeforeValidator(_whole), Query()]
Id = Annotated[Annotated[int, Ge(0), Le(MAX_ID), BeforeValidator(_whole)] | SkipJsonSchema[None], Query()]
Flag = Annotated[bool, BeforeValidator(_true_or_false), Query()]
_Kind = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z_]+(?:\.[a-z_]+)*$")]
EventKind = Annotated[_Kind | SkipJsonSchema[None], Query(description="A kind, or a family: `power`.")]
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
PathId = Annotated[int, Ge(0), Le(MAX_ID), BeforeValidator(_whole), Path()]


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
