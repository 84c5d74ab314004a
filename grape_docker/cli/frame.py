"""The click classes of grape_docker's commands."""

from __future__ import annotations

import click

from grape_docker.cli.session import Session
from graped.terminal import groups
from graped.terminal.nodesets import join as join
from graped.terminal.nodesets import nodes_argument as nodes_argument


def _shared() -> list[click.Parameter]:
    docker = "The master's Docker (default: DOCKER_HOST, else unix:///var/run/docker.sock)."
    state = "Where grape_docker keeps its state (default: /var/lib/grape-docker)."
    return [
        *groups.options(Session),
        groups.kept(Session, "docker", metavar="URL", help=docker),
        groups.kept(Session, "state-dir", metavar="DIR", help=state),
    ]


class Command(groups.Command):
    """A command with the global options."""

    shared = staticmethod(_shared)


class Group(groups.Group):
    """A group with the global options."""

    shared = staticmethod(_shared)
    command_class = Command


pass_session = click.make_pass_decorator(Session, ensure=True)
