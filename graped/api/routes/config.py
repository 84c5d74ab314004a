"""The configuration: show, check, reload."""

from __future__ import annotations

from fastapi import Response

from graped.api import types
from graped.api.answers import answer
from graped.api.documents import errors
from graped.api.routes.context import BackendOf, topic

router = topic("config")


@router.get("/v1/config", response_model=types.ConfigView, responses=errors())
async def config(backend: BackendOf) -> Response:
    """Tell the effective configuration and where each value comes from."""
    return answer(types.ConfigView, backend.config_view())


@router.post("/v1/config/check", response_model=types.ConfigReport, responses=errors())
async def check(backend: BackendOf) -> Response:
    """Read the files again and tell every mistake and every change. Nothing is applied."""
    return answer(types.ConfigReport, backend.check_config())


@router.post("/v1/config/reload", response_model=types.ConfigReport, responses=errors())
async def reload(backend: BackendOf) -> Response:
    """Read the files again and apply them, if there is no mistake."""
    return answer(types.ConfigReport, await backend.reload())
