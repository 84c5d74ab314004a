"""The simulated rack: faults, display, knob. A daemon on real hardware answers ``not_simulated``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from graped.api import types
from graped.api.answers import answer
from graped.api.backend import Simulator
from graped.api.bodies import SimFault, SimKnob
from graped.api.documents import errors
from graped.api.params import PathId
from graped.api.routes.context import BackendOf, topic
from graped.errors import NotFound, NotSimulated

router = topic("sim")


async def _simulator(backend: BackendOf) -> Simulator:
    if backend.simulator is None:
        raise NotSimulated("this daemon runs real hardware", hint="start one with graped --simulate to try things")
    return backend.simulator


SimulatorOf = Annotated[Simulator, Depends(_simulator)]


async def _faults(simulator: Simulator) -> Response:
    return answer(tuple[types.SimFault, ...], tuple(await simulator.faults()))


@router.get("/v1/sim/faults", response_model=list[types.SimFault], responses=errors(409))
async def faults(simulator: SimulatorOf) -> Response:
    """List the faults that are in force."""
    return await _faults(simulator)


@router.post("/v1/sim/faults", status_code=201, response_model=types.SimFault, responses=errors(404, 409, body=True))
async def add(request: Request, simulator: SimulatorOf, body: SimFault) -> Response:
    """Inject a fault; the answer has its id (0: it happened at once, and is over)."""
    added = await simulator.add(types.SimFault(**body.model_dump()))
    request.app.state.last_fault = max(added.id, _last_fault(request))
    return answer(types.SimFault, added, status=201)


@router.delete("/v1/sim/faults", response_model=list[types.SimFault], responses=errors(409))
async def clear_all(simulator: SimulatorOf) -> Response:
    """Clear every fault; the answer is what is left."""
    await simulator.clear(None)
    return await _faults(simulator)


@router.delete("/v1/sim/faults/{id}", response_model=list[types.SimFault], responses=errors(404, 409))
async def clear(request: Request, simulator: SimulatorOf, id: PathId) -> Response:
    """Clear one fault, or find it gone (its count or time was over); the answer is what is left."""
    try:
        await simulator.clear(id)
    except NotFound:
        if not 0 < id <= _last_fault(request):
            raise
    return await _faults(simulator)


def _last_fault(request: Request) -> int:
    """The highest id that was given through this daemon."""
    return getattr(request.app.state, "last_fault", 0)


@router.get("/v1/sim/display", response_model=types.SimDisplay, responses=errors(409))
async def display(simulator: SimulatorOf) -> Response:
    """Read the simulated LCD and its LEDs."""
    return answer(types.SimDisplay, await simulator.display())


@router.post("/v1/sim/knob", response_model=types.SimDisplay, responses=errors(409, body=True))
async def knob(simulator: SimulatorOf, body: SimKnob) -> Response:
    """Turn and press the simulated encoder; the answer is the display right after."""
    await simulator.knob(body.turn, body.press)
    return answer(types.SimDisplay, await simulator.display())
