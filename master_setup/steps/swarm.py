"""A swarm of the nodes that are up: grape_docker runs, and makes the swarm as graped's configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Current, Unit, Want
from master_setup.wants.swarm import Swarm
from master_setup.wants.together import Together

NAME = "swarm"
SUMMARY = "nodes that are up are in a swarm that this machine manages"
DAEMON: Final = "grape_docker.service"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing but Docker, which is a step of its own."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the daemon enabled, and running where graped does. Raises GrapeError without a network of nodes."""
    if not options.swarm:
        return ()
    if not options.interface:
        raise GrapeError("a swarm needs a network of nodes", hint="Give --interface NAME, or leave --swarm out.")
    found: list[Want] = [Swarm()] if facts.booted else []
    return [*found, Unit(name=DAEMON, enabled=True), Together(name=DAEMON), Current(unit=DAEMON)]
