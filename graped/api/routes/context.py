"""What a route needs of its request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from graped.api.backend import Backend, Provision
from graped.api.params import StrictRoute
from graped.api.snapshots import Snapshots
from graped.errors import NetbootOff


async def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def _snapshots(request: Request) -> Snapshots:
    snapshots: Snapshots = request.app.state.snapshots
    return snapshots


BackendOf = Annotated[Backend, Depends(_backend)]
SnapshotsOf = Annotated[Snapshots, Depends(_snapshots)]


async def _provision(backend: BackendOf) -> Provision:
    if backend.provision is None:
        hint = "Set netboot.active, interface and address, and restart graped; see graped/README.md."
        raise NetbootOff("netbooting is not switched on", hint=hint)
    return backend.provision


ProvisionOf = Annotated[Provision, Depends(_provision)]


def topic(tag: str) -> APIRouter:
    """Make the router of a topic."""
    return APIRouter(tags=[tag], route_class=StrictRoute)
