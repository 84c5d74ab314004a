"""JSON answers as ready bytes: pydantic writes the contract's dataclasses, nothing is validated on the way out."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encoded(kind: Any, value: object) -> bytes:
    """Write a value of a contract type (or a tuple of one, as ``tuple[Node, ...]``) as JSON."""
    return _adapter(kind).dump_json(value, warnings=False)


def answer(kind: Any, value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a value of a contract type."""
    return ready(encoded(kind, value), status=status, headers=headers)


def ready(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON that was written before."""
    return Response(body, status_code=status, headers=headers, media_type="application/json")
