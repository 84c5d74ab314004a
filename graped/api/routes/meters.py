"""Meters: now, and their history."""

from __future__ import annotations

from fastapi import Response

from graped.api import types, views
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.documents import errors
from graped.api.params import Id, MeterWord, Moment, StepS
from graped.api.routes.context import BackendOf, topic
from graped.api.times import moment, rfc3339
from graped.errors import NotFound
from graped.model import MeterKind

MAX_POINTS = 5000  # of one meter in one answer; the step grows to keep it
router = topic("meters")


@router.get("/v1/meters", response_model=list[types.StackMeters], responses=errors())
async def meters(backend: BackendOf) -> Response:
    """Tell the newest readings of all stacks."""
    return answer(tuple[types.StackMeters, ...], views.stack_meters(backend.state, backend.clock))


@router.get("/v1/meters/history", response_model=list[types.MeterHistory], responses=errors(404))
async def history(
    backend: BackendOf,
    stack: Id = None,
    kind: MeterWord = None,
    since: Moment = "3600",
    until: Moment = "0",
    step_s: StepS = 0.0,
) -> Response:
    """Tell the history of one, some or all meters; a step that makes too many points is lengthened."""
    stacks = backend.state.stacks
    if stack is not None and stack not in stacks:
        raise NotFound(f"there is no stack {stack}", hint=f"stacks are {', '.join(map(str, sorted(stacks)))}")
    now = backend.clock.wall()
    first, last = moment(since, now), moment(until, now)
    step_s = max(step_s, (last - first) / MAX_POINTS) if last - first > MAX_POINTS else step_s
    wanted = [
        (key, one)
        for key in sorted(stacks if stack is None else [stack])
        for one in ([MeterKind(kind)] if kind else MeterKind)
    ]
    told = [await _history(backend, key, one, first, last, step_s) for key, one in wanted]
    return answer(tuple[types.MeterHistory, ...], tuple(one for one in told if one.points))


async def _history(
    backend: Backend, stack: int, kind: MeterKind, since: float, until: float, step_s: float
) -> types.MeterHistory:
    points = await backend.history.query(stack, kind, since, until, step_s) if since < until else ()
    return types.MeterHistory(
        stack=stack,
        kind=kind.value,
        unit=kind.unit,
        step_s=step_s,
        points=tuple(
            types.MeterPoint(time=rfc3339(one.at), mean=one.mean, least=one.least, most=one.most) for one in points
        ),
    )
