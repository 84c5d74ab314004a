"""The Docker swarm of this machine: adopted where there is one, else left for grape_docker to make."""

from __future__ import annotations

from collections.abc import Sequence

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Want
from master_setup.wants.swarm import Swarm

NAME = "swarm"
SUMMARY = "a swarm that this machine manages"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing but Docker, which is a step of its own."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want it. Raises GrapeError without a network of nodes."""
    if not options.swarm:
        return ()
    if not options.interface:
        raise GrapeError("a swarm needs a network of nodes", hint="Give --interface NAME, or leave --swarm out.")
    return [Swarm()] if facts.booted else []
