"""The SMBus operations of a simulated bus: their names, their bits, their time on a wire, their ends."""

from __future__ import annotations

from enum import StrEnum

from graped.errors import BusMissing, BusNack, BusTimeout


class Op(StrEnum):
    """A transaction; the value is the word of a trace line."""

    QUICK = "quick"
    SEND_BYTE = "send_byte"
    RECEIVE_BYTE = "receive_byte"
    WRITE_BYTE_DATA = "write_byte_data"
    READ_BYTE_DATA = "read_byte_data"
    WRITE_WORD_DATA = "write_word_data"
    READ_WORD_DATA = "read_word_data"


class Result(StrEnum):
    """How a transaction ended."""

    OK = "ok"
    NACK = "nack"
    TIMEOUT = "timeout"
    NO_BUS = "no_bus"


OPS: tuple[Op, ...] = tuple(Op)
RESULTS: tuple[Result, ...] = tuple(Result)
READS = frozenset({Op.RECEIVE_BYTE, Op.READ_BYTE_DATA, Op.READ_WORD_DATA})
WITH_REGISTER = frozenset({Op.WRITE_BYTE_DATA, Op.READ_BYTE_DATA, Op.WRITE_WORD_DATA, Op.READ_WORD_DATA})
DATA_BITS = {
    Op.QUICK: 0,
    Op.SEND_BYTE: 8,
    Op.RECEIVE_BYTE: 8,
    Op.WRITE_BYTE_DATA: 8,
    Op.READ_BYTE_DATA: 8,
    Op.WRITE_WORD_DATA: 16,
    Op.READ_WORD_DATA: 16,
}
# Bytes on the wire, addresses included; a read from a register repeats the start and the address.
_WIRE_BYTES = {
    Op.QUICK: 1,
    Op.SEND_BYTE: 2,
    Op.RECEIVE_BYTE: 2,
    Op.WRITE_BYTE_DATA: 3,
    Op.READ_BYTE_DATA: 4,
    Op.WRITE_WORD_DATA: 4,
    Op.READ_WORD_DATA: 5,
}


def wire_time_s(op: Op, hertz: float = 100_000) -> float:
    """Tell how long a transaction takes on the wire: nine clocks a byte, one for each start and stop."""
    starts = 2 if op in (Op.READ_BYTE_DATA, Op.READ_WORD_DATA) else 1
    return (9 * _WIRE_BYTES[op] + starts + 1) / hertz


def check(result: Result, *, op: Op, bus: int, address: int) -> None:
    """Raise what a real adapter would raise for this result."""
    what = f"{op} at 0x{address:02x} on bus {bus}"
    match result:
        case Result.OK:
            return
        case Result.NACK:
            raise BusNack(f"{what}: no acknowledge", bus=bus, address=address)
        case Result.TIMEOUT:
            raise BusTimeout(f"{what}: timed out", bus=bus, address=address)
        case Result.NO_BUS:
            raise BusMissing(f"{what}: the simulated rack has no such bus", bus=bus)
