"""The database file: opened, written in single transactions, moved aside when it is damaged.

Used by the store's thread alone. SD cards: WAL, ``synchronous=NORMAL`` (no fsync) but for durable commits, and
checkpoints of our own, so that pages that change often reach the card once in about a thousand pages of log.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from graped.errors import StoreError
from graped.store.schema import migrate

T = TypeVar("T")
Connect = Callable[..., sqlite3.Connection]

log = logging.getLogger(__name__)

BUSY_S = 2.0  # somebody else, a person with a sqlite3 shell, may hold the database for so long
WAL_PAGES = 1000  # 4 MB of log before its pages go into the file
WAL_BYTES = 8 << 20  # after a checkpoint the log is cut back to this


class Interrupted(StoreError):
    """A query was stopped by ``interrupt``."""


class Damaged(StoreError):
    """The file was no sound database. It was moved to ``moved`` (None: it could not be moved)."""

    def __init__(self, cause: sqlite3.Error, moved: Path | None) -> None:
        where = f"it was moved to {moved}" if moved else "it could not be moved away"
        super().__init__(
            f"the database was damaged ({cause}); {where} and history starts anew",
            hint=f"Look at {moved} and delete it." if moved else "Move the database away.",
        )
        self.moved = moved


class Database:
    """One file, one connection."""

    def __init__(self, path: Path, connect: Connect = sqlite3.connect) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._guard = threading.Lock()  # around _reading: an interrupt must never meet a write
        self._reading: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open, as far as we know."""
        return self._connection is not None

    def open(self) -> bool:
        """Open or make the file and bring its tables up to date; return whether it was there before.

        Raises ``Damaged`` (the next try makes a fresh file) or ``StoreError``.
        """
        existed = self._path.exists()
        with self._judged():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect(self._path, isolation_level=None, timeout=BUSY_S)
            self._connection = connection
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            for pragma in (
                "journal_mode = WAL",
                "synchronous = NORMAL",
                "wal_autocheckpoint = 0",
                f"journal_size_limit = {WAL_BYTES:d}",
                "cell_size_check = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection)
        return existed

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query. Raises ``Interrupted``, ``Damaged`` or ``StoreError``."""
        with self._judged(), self._stoppable() as connection:
            return query(connection)

    def interrupt(self) -> None:
        """Stop the query that runs now, if one does. For any thread."""
        with self._guard:
            if self._reading is not None:
                self._reading.interrupt()

    def write(self, change: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        """Run ``change`` as one transaction; ``durable``: on the card when this returns.

        Raises ``Damaged`` or ``StoreError``; then nothing of it is recorded.
        """
        with self._judged():
            connection = self._usable()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            result = change(connection)
            connection.execute("COMMIT")
            return result

    def checkpoint(self) -> None:
        """Put a long log into the file. Raises ``Damaged`` or ``StoreError``."""
        try:
            if (self._path.parent / f"{self._path.name}-wal").stat().st_size < WAL_PAGES * 4096:
                return
        except OSError:
            return
        with self._judged():
            self._usable().execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def close(self) -> None:
        """Close the file, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                log.warning("cannot close the database", extra={"error": str(error)})

    def _usable(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path} is not open")
        return self._connection

    @contextmanager
    def _stoppable(self) -> Iterator[sqlite3.Connection]:
        connection = self._usable()
        with self._guard:
            self._reading = connection
        try:
            yield connection
        except sqlite3.OperationalError as error:
            if _code(error) == sqlite3.SQLITE_INTERRUPT:
                raise Interrupted("the query was stopped") from None
            raise
        finally:
            with self._guard:
                self._reading = None

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Tell damage from trouble. Either way the connection ends: the next try starts from a clean place."""
        try:
            yield
        except Interrupted:
            raise
        except sqlite3.Error as error:
            self.close()
            if _is_damage(error):
                raise Damaged(error, self._move_aside()) from error
            raise StoreError(f"{self._path}: {error}", hint=_hint(error)) from error
        except OSError as error:
            self.close()
            raise StoreError(f"{self._path}: {error.strerror or error}", hint=_hint(error)) from error
        except Exception:  # a newer file, or a bug in a query: no transaction may stay open
            self.close()
            raise

    def _move_aside(self) -> Path | None:
        """Move the file and its log out of the way; None when that fails."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self._path.with_name(f"{self._path.name}.corrupt-{stamp}")
        count = 1
        while target.exists():
            count += 1
            target = self._path.with_name(f"{self._path.name}.corrupt-{stamp}-{count}")
        try:
            os.replace(self._path, target)
            for end in ("-wal", "-shm"):
                log_file = self._path.with_name(self._path.name + end)
                if log_file.exists():
                    os.replace(log_file, target.with_name(target.name + end))
        except OSError as error:
            log.error("cannot move the damaged database away", extra={"error": str(error)})
            return None
        return target


def _code(error: Exception) -> int:
    """The primary SQLite result code, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    foreign = str(error).startswith("no such table")  # a file of our version without our tables
    return foreign or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _hint(error: Exception) -> str:
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return "Free some space in the state directory."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return "Is the file system mounted read-only, and does graped own the state directory?"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Another program holds the database."
        case sqlite3.SQLITE_IOERR:
            return "Look for errors of the card in the kernel log, and for free space."
        case _:
            return "Look at the state directory: its owner, its space, its file system."
