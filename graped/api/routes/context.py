"""What a route needs of its request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from graped.api.backend import Backend
from graped.api.params import StrictRoute
from graped.api.snapshots import Snapshots


async def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def _snapshots(request: Request) -> Snapshots:
    snapshots: Snapshots = request.app.state.snapshots
    return snapshots


BackendOf = Annotated[Backend, Depends(_backend)]
SnapshotsOf = Annotated[Snapshots, Depends(_snapshots)]


def topic(tag: str) -> APIRouter:
    """Make the router of a topic."""
    return APIRouter(tags=[tag], route_class=StrictRoute)
