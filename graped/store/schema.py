"""Tables and their migrations: ``PRAGMA user_version`` counts the steps taken.

A released step is never edited; a change is a new step at the end.
"""

from __future__ import annotations

import sqlite3

from graped.errors import StoreError

_FIRST = (
    # Single numbers: marks.Mark names the keys.
    "CREATE TABLE marks (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE desired (stack INTEGER, slot INTEGER, power TEXT, PRIMARY KEY (stack, slot)) WITHOUT ROWID",
    # The byte a port was last sent or verified at.
    "CREATE TABLE ports (stack INTEGER PRIMARY KEY, value INTEGER NOT NULL)",
    # Times are unix seconds; tasks is JSON. A job without an end is open.
    """CREATE TABLE jobs (id INTEGER PRIMARY KEY, verb TEXT, by TEXT, asked REAL, ended REAL, outcome TEXT,
                          force INTEGER, off_s REAL, request_id TEXT, tasks TEXT)""",
    """CREATE TABLE events (id INTEGER PRIMARY KEY, at REAL, kind TEXT, message TEXT, stack INTEGER, node TEXT,
                            job INTEGER, fields TEXT)""",
    # One row a poll of a stack, in the order of arrival (a wall clock may jump, ids do not). at: unix ms.
    """CREATE TABLE samples (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, stack INTEGER NOT NULL,
                             voltage INTEGER, current INTEGER, power INTEGER, temperature INTEGER)""",
    "CREATE INDEX samples_at ON samples (at)",
    # Buckets of 60 s and 900 s; at: unix s of their start. Keyed by time first, so that new rows share a page.
    *(
        f"""CREATE TABLE {name} (at INTEGER, stack INTEGER, kind INTEGER, count INTEGER, sum INTEGER, least INTEGER,
                                 most INTEGER, PRIMARY KEY (at, stack, kind)) WITHOUT ROWID"""
        for name in ("minutes", "quarters")
    ),
)

# What a chore has and a power job has not, as JSON; NULL: a power job.
_CHORES = ("ALTER TABLE jobs ADD COLUMN chore TEXT",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _CHORES)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, each step in a transaction of its own.

    Raises ``StoreError`` for a database of a newer graped, which is left alone.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the database was written by a newer graped (schema {version}, this one knows {len(MIGRATIONS)})",
            hint="Install the newer graped again, or move the database away.",
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
