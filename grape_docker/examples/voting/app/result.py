"""The page that shows how the vote stands."""

from __future__ import annotations

import json
import os
from urllib.request import urlopen

from .serving import Handler, serve

CHOICES = (os.environ.get("A", "grapes"), os.environ.get("B", "raspberries"))
COUNTS = "http://db/counts"


class Result(Handler):
    """GET / is for people, GET /counts for programs."""

    def do_GET(self) -> None:
        """Ask the database, and show it."""
        try:
            with urlopen(COUNTS, timeout=5) as answer:
                told = answer.read().decode()
        except OSError as error:
            self.answer(503, f"the database does not answer: {error}\n", "text/plain")
            return
        if self.path == "/counts":
            self.answer(200, told, "application/json")
            return
        counts = json.loads(told)
        rows = "".join(f"<tr><td>{name}<td>{counts[key]}" for key, name in zip("ab", CHOICES, strict=True))
        self.page("Result", f"<table>{rows}</table>", Refresh="2")


if __name__ == "__main__":
    serve(Result)
