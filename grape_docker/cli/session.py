"""One run of grape_docker: where graped, Docker and our state are."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from graped.terminal import session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grape_docker.model import Settings
    from grape_docker.swarm.manager import Manager

STATE_DIR = Path("/var/lib/grape-docker")


class Session(session.Session):
    """What the global options say, and the connections they lead to (made when first used)."""

    def __init__(self) -> None:
        super().__init__()
        self.docker: str | None = None
        self.state_dir: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """What graped's configuration says of the swarm. Raises: what the client raises."""
        from grape_docker.rack import settings

        return settings(self.client())

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
        return tuple(self.client().get("/v1/nodeset", nodes=expression)["names"])
