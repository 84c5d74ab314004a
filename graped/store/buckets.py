"""Meter history on disk: samples as they came, and buckets of a minute and a quarter of an hour.

Every sample is added to its buckets exactly once, in the order of ids, so a jump of the wall clock neither loses nor
doubles anything; a bucket holds count, sum, least and most, so buckets of buckets are exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from graped.model import MeterKind

KINDS = tuple(MeterKind)  # the position is the code of a kind in the tables of buckets: only ever append
MINUTE_S = 60
QUARTER_S = 900
MINUTES_KEPT_DAYS = 30.0  # then only quarters of an hour are left


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One poll of a stack's meters: unix ms, a value (or None) for each of ``KINDS``."""

    id: int
    at_ms: int
    stack: int
    values: tuple[int | None, ...]


def write_samples(connection: sqlite3.Connection, samples: Iterable[Sample]) -> None:
    """Append samples; one that is there already stays as it is."""
    connection.executemany(
        "INSERT OR IGNORE INTO samples (id, at, stack, voltage, current, power, temperature) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(sample.id, sample.at_ms, sample.stack, *sample.values) for sample in samples],
    )


def roll(connection: sqlite3.Connection, table: str, width_s: int, after_id: int) -> int:
    """Add the samples newer than an id to their buckets; return the newest id that is in them now."""
    newest = connection.execute("SELECT max(id) FROM samples").fetchone()[0]
    if newest is None or newest <= after_id:
        return after_id
    for code, kind in enumerate(KINDS):
        connection.execute(
            f"INSERT INTO {table} (at, stack, kind, count, sum, least, most) "  # noqa: S608 - our own names
            f"SELECT at / ({width_s:d} * 1000) * {width_s:d} AS start, stack, {code:d}, "
            f"count({kind}), sum({kind}), min({kind}), max({kind}) "
            f"FROM samples WHERE id > ? AND id <= ? AND {kind} IS NOT NULL GROUP BY start, stack "
            "ON CONFLICT (at, stack, kind) DO UPDATE SET count = count + excluded.count, sum = sum + excluded.sum, "
            "least = min(least, excluded.least), most = max(most, excluded.most)",
            (after_id, newest),
        )
    return int(newest)


def drop_old_samples(connection: sqlite3.Connection, before_at: float, up_to_id: int, span_s: int = 600) -> None:
    """Drop whole minutes of samples that are older than a moment (unix s) and in their buckets, few at once."""
    oldest_ms = connection.execute("SELECT min(at) FROM samples").fetchone()[0]
    if oldest_ms is not None:
        end_s = min(int(before_at), oldest_ms // 1000 + span_s) // MINUTE_S * MINUTE_S
        connection.execute("DELETE FROM samples WHERE at < ? AND +id <= ?", (end_s * 1000, up_to_id))


def drop_old_buckets(connection: sqlite3.Connection, table: str, before_at: float, span_s: int = 21600) -> None:
    """Drop whole quarters of an hour of buckets that are older than a moment (unix s), few at once.

    Whole ones, so that a coarser table goes on exactly where this one begins.
    """
    oldest_s = connection.execute(f"SELECT min(at) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
    if oldest_s is not None:
        end_s = min(int(before_at), oldest_s + span_s) // QUARTER_S * QUARTER_S
        connection.execute(f"DELETE FROM {table} WHERE at < ?", (end_s,))  # noqa: S608
