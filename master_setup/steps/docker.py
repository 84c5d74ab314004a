"""Docker: where it is asked for, and where a swarm or a registry needs it."""

from __future__ import annotations

from collections.abc import Sequence

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Unit, Want

NAME = "docker"
SUMMARY = "Docker"
CLI_APART = 13  # since this version of Debian, its docker.io comes without the program docker


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need Debian's Docker, but where the administrator has Docker's own."""
    if not _wanted(options) or facts.services.docker_ce:
        return ()
    return ("docker.io", "docker-cli") if facts.version >= CLI_APART else ("docker.io",)


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want it to run."""
    return [Unit(name="docker.service", enabled=True, running=True)] if _wanted(options) else []


def _wanted(options: Options) -> bool:
    return options.docker or options.swarm or options.registry
