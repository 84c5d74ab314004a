"""Metrics for Prometheus."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import PlainTextResponse

from graped.api.documents import errors
from graped.api.routes.context import BackendOf, topic

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
router = topic("metrics")


@router.get("/metrics", response_class=PlainTextResponse, responses=errors())
async def metrics(backend: BackendOf) -> Response:
    """Tell counters and gauges in Prometheus' text format."""
    from graped.api.exposition import exposition  # prometheus_client costs memory: only where somebody scrapes

    return Response(exposition(backend), headers={"content-type": CONTENT_TYPE})
