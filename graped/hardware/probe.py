"""Find out on which bus a board stack answers. Receives bytes from the power port's address and sends none.

``candidates`` and ``judge`` are pure, ``ask`` runs in the lane of its bus, ``find`` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from graped.config.types import Config
from graped.errors import BusError, BusNack, HardwareError
from graped.hardware.bus import PatientBus
from graped.hardware.chips.pcf8574 import ADDRESS_BASE
from graped.hardware.drivers.registry import StackLocation
from graped.hardware.lanes import Lanes, Priority, lane_of_bus

BUSES = (0, 1)
BUS_OF_HIGH_KEYS = 1  # keys 8-15
ASKED_TIMES = 3  # on top of the bus's own patience: noise must not hide a second stack


class Missing(HardwareError):
    """A stack that answers nowhere."""

    code = "missing"
    title = "A stack does not answer"


class Ambiguous(HardwareError):
    """Two boards answer and nobody said which one is meant: neither may be written."""

    code = "ambiguous"
    title = "A stack answers on both buses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether an address answered; if not, ``why``."""

    answered: bool
    why: str = ""
    hint: str = ""


def candidates(key: int, config: Config) -> tuple[int, ...]:
    """Name the buses on which a stack may be."""
    bus = config.cluster.stacks[key].bus
    if bus is not None:
        return (bus,)
    return BUSES if key < 8 else (BUS_OF_HIGH_KEYS,)


def ask(bus: PatientBus, address: int, deadline_s: float) -> Answer:
    """Ask for the stack with this address (0-7) on one bus."""
    nack: BusNack | None = None
    with bus.deadline(deadline_s):
        for _ in range(ASKED_TIMES):
            try:
                bus.receive_byte(ADDRESS_BASE + address)
            except BusNack as error:
                nack = error
            except BusError as error:
                told = nack or error  # where the time is over, what was seen until then
                return Answer(answered=False, why=told.detail, hint=told.hint)
            else:
                return Answer(answered=True)
    assert nack is not None
    return Answer(answered=False, why=nack.detail, hint=nack.hint)


def judge(key: int, config: Config, answers: Mapping[int, Answer]) -> StackLocation:
    """Decide from the answers of all candidates where the stack is.

    Raises: Missing, Ambiguous.
    """
    address = config.address_of(key)
    found = sorted(bus for bus, answer in answers.items() if answer.answered)
    match found:
        case [bus]:
            return StackLocation(bus=bus, address=address)
        case []:
            why = "; ".join(answer.why for _, answer in sorted(answers.items()))
            hints = {answer.hint: None for _, answer in sorted(answers.items()) if answer.hint}
            raise Missing(f"nothing answers at address {address}: {why}", hint=" ".join(hints))
        case _:
            buses = " and ".join(map(str, found))
            raise Ambiguous(
                f"address {address} answers on buses {buses}",
                hint=f"Say which one is meant: bus = {found[0]} or {found[-1]} under cluster.stacks.{key}.",
            )


async def find(key: int, config: Config, buses: Mapping[int, PatientBus], lanes: Lanes) -> StackLocation:
    """Locate a stack, asking each bus in its own lane.

    Raises: Missing, Ambiguous.
    """
    answers: dict[int, Answer] = {}
    for bus in candidates(key, config):
        work = partial(_ask_or_absent, bus, key, config, buses)
        lane = lanes.get(lane_of_bus(bus))
        answers[bus] = await lane.run(work, priority=Priority.POLL, by=f"probe stack {key}")
    return judge(key, config, answers)


def _ask_or_absent(number: int, key: int, config: Config, buses: Mapping[int, PatientBus]) -> Answer:
    if number not in buses:
        return Answer(answered=False, why=f"there is no I2C bus {number}")
    return ask(buses[number], config.address_of(key), config.bus.deadline_s)
