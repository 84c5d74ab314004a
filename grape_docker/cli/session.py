"""One run of grape_docker: where graped, Docker and our state are, and how to print."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from graped.api.client import Client

STATE_DIR = Path("/var/lib/grape-docker")


class Session:
    """What the global options say, and the connections they lead to (made when first used)."""

    def __init__(self) -> None:
        self.socket: str | None = None
        self.docker: str | None = None
        self.state_dir: str | None = None
        self.json = False

    @cached_property
    def client(self) -> Client:
        """The client of graped. Nothing is sent yet."""
        from graped.api.client import Client

        return Client(self.socket)

    @property
    def room(self) -> Path:
        """The state folder."""
        return Path(self.state_dir) if self.state_dir else STATE_DIR

    def nodes(self, expression: str) -> tuple[str, ...]:
        """Resolve a node set as graped does."""
        return tuple(self.client.get("/v1/nodeset", nodes=expression)["names"])

    def print(self, text: str = "") -> None:
        """Print data on stdout."""
        sys.stdout.write(text + "\n")

    def print_json(self, value: Any) -> None:
        """Print one JSON value on one line of stdout."""
        import json

        self.print(json.dumps(value, ensure_ascii=False))

    def note(self, text: str) -> None:
        """Say something that is not data, on stderr; silent with ``--json``, where stderr is for errors alone."""
        if not self.json:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
