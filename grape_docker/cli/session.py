"""One run of grape_docker: where graped, Docker and our state are, and how to print."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from grape_docker.model import Settings
    from grape_docker.swarm.manager import Manager
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

    @cached_property
    def settings(self) -> Settings:
        """What graped's configuration says of the swarm. Raises: what the client raises."""
        from grape_docker.rack import settings

        return settings(self.client)

    @cached_property
    def manager(self) -> Manager:
        """The swarm of the master."""
        from grape_docker.swarm.manager import Manager

        return Manager(self.settings, self.docker_url)

    @property
    def docker_url(self) -> str:
        """The master's Docker: ``--docker``, DOCKER_HOST, or the usual place."""
        from grape_docker.swarm.engine import DEFAULT_URL

        return self.docker or os.environ.get("DOCKER_HOST") or DEFAULT_URL

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
