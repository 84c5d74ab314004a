"""The page where people vote. Each browser has one vote, and may change it."""

from __future__ import annotations

import json
import os
import re
import socket
from urllib.parse import parse_qs
from uuid import uuid4

from .serving import Handler, serve
from .store import Store

CHOICES = (os.environ.get("A", "grapes"), os.environ.get("B", "raspberries"))
_VOTER = re.compile(r"\bvoter=([0-9a-f]{32})\b")


class Vote(Handler):
    """GET shows the choices, POST ``vote=a`` or ``vote=b`` takes a vote."""

    def do_GET(self) -> None:
        """Show the choices."""
        self._show("")

    def do_POST(self) -> None:
        """Take a vote: it is in the store when this answers."""
        choice = parse_qs(self.body()).get("vote", [""])[0]
        if choice not in ("a", "b"):
            self.answer(400, "vote=a or vote=b\n", "text/plain")
            return
        known = _VOTER.search(self.headers.get("Cookie") or "")
        voter = known[1] if known else uuid4().hex
        try:
            with Store() as store:
                store.push(json.dumps({"voter": voter, "vote": choice}))
        except OSError as error:
            self.answer(503, f"the store does not answer: {error}\n", "text/plain")
            return
        self._show(f"<p>You voted for {CHOICES['ab'.index(choice)]}.", Set_Cookie=f"voter={voter}; HttpOnly")

    def _show(self, said: str, **headers: str) -> None:
        buttons = "".join(
            f"<button name=vote value={key}>{name}</button>" for key, name in zip("ab", CHOICES, strict=True)
        )
        self.page("Vote", f"<form method=post>{buttons}</form>{said}<p>answered by {socket.gethostname()}", **headers)


if __name__ == "__main__":
    serve(Vote)
