"""A registry of Docker images on this machine, for a swarm without the Internet; Docker here trusts it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import network
from master_setup.wants import Link, Unit, Want
from master_setup.wants.mirror import Mirror
from master_setup.wants.quiet import Quiet
from master_setup.wants.together import Together

NAME = "registry"
SUMMARY = "a registry of Docker images, for the nodes"
SERVICE: Final = "grape-registry.service"
DEBIANS: Final = "docker-registry.service"  # on the same port, with a password that nobody has
CA: Final = "/var/lib/grape-docker/registry/ca.crt"  # grape_docker.registry.place


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need Debian's registry."""
    return ("docker-registry",) if options.registry else ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want it served to the nodes, and used by Docker here. Raises GrapeError without a network of nodes."""
    if not options.registry:
        return ()
    if not options.interface:
        raise GrapeError("a registry needs a network of nodes", hint="Give --interface NAME, or leave --registry out.")
    host = f"{network.cluster_address(facts, options).ip}:{facts.registry_port}"
    return [
        Quiet(name=DEBIANS, why=f"{SERVICE} takes its place"),
        Unit(name=SERVICE, enabled=True),
        Together(name=SERVICE),
        Link(path=f"/etc/docker/certs.d/{host}/ca.crt", target=CA),
        Mirror(url=f"https://{host}"),
    ]
