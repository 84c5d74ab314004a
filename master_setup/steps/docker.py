"""Docker, and this machine as the manager of a swarm: only where asked for."""

from __future__ import annotations

from collections.abc import Sequence

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import network
from master_setup.wants import Unit, Want
from master_setup.wants.swarm import Swarm

NAME = "docker"
SUMMARY = "Docker and its swarm"
CLI_APART = 13  # since this version of Debian, its docker.io comes without the program docker


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need Debian's Docker, but where the administrator has Docker's own."""
    if not _wanted(options) or facts.services.docker_ce:
        return ()
    return ("docker.io", "docker-cli") if facts.version >= CLI_APART else ("docker.io",)


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want it to run, and the swarm. Raises GrapeError where there is no address for a swarm."""
    if not _wanted(options):
        return ()
    found: list[Want] = [Unit(name="docker.service", enabled=True, running=True)]
    if options.swarm and facts.booted:
        if not options.interface:
            raise GrapeError("a swarm needs a network of nodes", hint="Give --interface NAME, or leave --swarm out.")
        found.append(Swarm(address=str(network.cluster_address(facts, options).ip)))
    return found


def _wanted(options: Options) -> bool:
    return options.docker or options.swarm
