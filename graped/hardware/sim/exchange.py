"""One transaction between master and chip: its bytes on the wire, and what a fault makes of it."""

from __future__ import annotations

from random import Random

from graped.hardware.sim.chips.chip import Chip
from graped.hardware.sim.faults import FaultKind, Hit
from graped.hardware.sim.ops import READS, Op, Result

_ARRIVES_ANYWAY = 0.5  # of the writes that time out


def attempt(
    chip: Chip | None, op: Op, register: int, value: int, *, hit: Hit | None, dice: Random
) -> tuple[Result, int]:
    """Do a transaction that a fault may spoil; give its result and what the master reads."""
    match hit.kind if hit else None:
        case FaultKind.HANG:
            return Result.TIMEOUT, 0
        case FaultKind.TIMEOUT:
            if chip is not None and op not in READS and dice.random() < _ARRIVES_ANYWAY:
                exchange(chip, op, register, value)  # it arrived, only the adapter never heard so
            return Result.TIMEOUT, 0
        case FaultKind.NACK | FaultKind.MISSING:
            return Result.NACK, 0
    if chip is None:
        return Result.NACK, 0
    flipped = 1 << hit.bit if hit else 0
    if op in READS:
        return Result.OK, exchange(chip, op, register, 0) ^ flipped
    return Result.OK, exchange(chip, op, register, value ^ flipped)


def exchange(chip: Chip, op: Op, register: int, value: int) -> int:
    """Put a transaction's bytes on the wire as SMBus lays them out; give what was read."""
    match op:
        case Op.QUICK:
            chip.write(b"")
        case Op.SEND_BYTE:
            chip.write(bytes((value,)))
        case Op.RECEIVE_BYTE:
            return chip.read(1)[0]
        case Op.WRITE_BYTE_DATA:
            chip.write(bytes((register, value)))
        case Op.READ_BYTE_DATA:
            chip.write(bytes((register,)))
            return chip.read(1)[0]
        case Op.WRITE_WORD_DATA:
            chip.write(bytes((register, value & 0xFF, value >> 8)))
        case Op.READ_WORD_DATA:
            chip.write(bytes((register,)))
            return int.from_bytes(chip.read(2), "little")
    return 0
