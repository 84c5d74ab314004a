"""grape_docker: it runs where graped does, and has the nodes that are up in the swarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Current, Unit, Want
from master_setup.wants.together import Together

NAME = "grape_docker"
SUMMARY = "nodes that are up are in the swarm"
DAEMON: Final = "grape_docker.service"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing more."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the daemon enabled, and running where graped does."""
    if not options.swarm:
        return ()
    return [Unit(name=DAEMON, enabled=True), Together(name=DAEMON), Current(unit=DAEMON)]
