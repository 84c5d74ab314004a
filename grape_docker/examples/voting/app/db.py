"""The database: SQLite behind two HTTP methods. One task only, on the node where its volume is."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing

from .serving import Handler, serve

FILE = os.environ.get("DATABASE", "/data/votes.sqlite")


def opened() -> sqlite3.Connection:
    """Open the file, and have its table."""
    database = sqlite3.connect(FILE, timeout=5.0)
    database.execute("CREATE TABLE IF NOT EXISTS votes (voter TEXT PRIMARY KEY, vote TEXT NOT NULL)")
    return database


class Database(Handler):
    """POST /votes stores a voter's vote in place of an earlier one; GET /counts tells how many have which."""

    def do_POST(self) -> None:
        """Store one vote; it is on disk when this answers."""
        try:
            told = json.loads(self.body())
            row = (str(told["voter"]), str(told["vote"]))
        except (ValueError, KeyError, TypeError):
            self.answer(400, "a voter and a vote\n", "text/plain")
            return
        with closing(opened()) as database, database:
            database.execute("INSERT OR REPLACE INTO votes VALUES (?, ?)", row)
        self.answer(200, "stored\n", "text/plain")

    def do_GET(self) -> None:
        """Count."""
        with closing(opened()) as database:
            counts = dict(database.execute("SELECT vote, count(*) FROM votes GROUP BY vote"))
        self.answer(200, json.dumps({"a": counts.get("a", 0), "b": counts.get("b", 0)}), "application/json")


if __name__ == "__main__":
    serve(Database)
