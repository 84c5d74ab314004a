"""What can be wrong with Docker or the swarm on the master. ``code`` is never renamed."""

from __future__ import annotations

from graped.errors import Conflict, GrapeError


class DockerError(GrapeError):
    """Docker on the master refused something, in its own words."""

    code = "docker"
    title = "Docker refused what was asked"


class DockerUnreachable(DockerError):
    """Nobody answers on Docker's socket."""

    code = "docker_unreachable"
    title = "Docker cannot be reached"


class DockerDenied(DockerError):
    """Docker's socket is there, but this user may not use it."""

    code = "docker_denied"
    title = "Not allowed to talk to Docker"


class SwarmBusy(DockerError):
    """The swarm has no leader just now, is starting, or lost its quorum: asking again may help."""

    code = "swarm_busy"
    title = "The swarm does not answer yet"


class NotManager(Conflict):
    """The master's Docker is not a manager of a swarm."""

    code = "not_manager"
    title = "The master is not a manager of a swarm"


class ForeignSwarm(Conflict):
    """The master's Docker works for a swarm that is managed elsewhere. It is never taken out of it."""

    code = "foreign_swarm"
    title = "The master belongs to another swarm"


class SwarmLocked(Conflict):
    """The swarm's key has to be entered by a person."""

    code = "swarm_locked"
    title = "The swarm is locked"


class AddressMissing(Conflict):
    """The address that the swarm is to be reached by is not on this machine, or not yet."""

    code = "address_missing"
    title = "The master does not have the swarm's address"
