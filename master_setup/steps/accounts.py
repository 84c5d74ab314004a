"""The group whose members may use graped, and the user that grape_docker runs as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Group, Member, User, Want

NAME = "accounts"
SUMMARY = "user and group grape, and who is in it; user grape-docker for the swarm"

SWARM: Final = "grape-docker"  # its groups, grape and docker, are said by its unit


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: useradd and gpasswd are in each Debian."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the group, the user, and the members that were named."""
    grape = User(name="grape", group="grape", home="/var/lib/grape", comment="Grape cluster")
    members = [Member(user=name, group="grape") for name in options.users]
    return [Group(name="grape"), grape, *members, *(_of_swarm() if options.swarm or options.registry else ())]


def _of_swarm() -> Sequence[Want]:
    user = User(name=SWARM, group=SWARM, home="/var/lib/grape-docker", comment="Grape swarm")
    return [Group(name=SWARM), user]
