"""What keeps nodes from booting, and what to do about it."""

from __future__ import annotations

from fastapi import Request, Response

from graped.api import types
from graped.api.answers import answer
from graped.api.documents import errors
from graped.api.routes.context import ProvisionOf, topic
from graped.api.routes.long_work import whole

router = topic("doctor")


@router.get("/v1/doctor", response_model=list[types.Check], responses=errors(409))
async def doctor(request: Request, provision: ProvisionOf) -> Response:
    """Look at everything a boot needs; takes some seconds. Nothing is changed."""
    return answer(tuple[types.Check, ...], tuple(await whole(request, provision.doctor())))
