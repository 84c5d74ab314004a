"""The node's own host name: the swarm shows it, so it has to be the name that graped gives."""

from __future__ import annotations

from typing import Final

from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from graped.errors import CommandFailed

_SET: Final = """umask 022
if grep -q '^127\\.0\\.1\\.1[[:space:]]' /etc/hosts; then
    sed -i "s/^127\\.0\\.1\\.1[[:space:]].*/127.0.1.1 $1/" /etc/hosts
else
    printf '127.0.1.1 %s\\n' "$1" >> /etc/hosts
fi || exit 1
printf '%s\\n' "$1" > /etc/hostname.grape && mv /etc/hostname.grape /etc/hostname || exit 1
printf '%s' "$1" > /proc/sys/kernel/hostname || exit 1"""


def rename(node: Remote, before: str) -> str:
    """Give the machine its name, now and for its next boot; return what was done. Raises: NodeTrouble."""
    try:
        node.script(_SET, node.name, what="setting the host name")
    except CommandFailed as error:
        hint = f"set the node's host name to {node.name}, or give the node its own name in graped's configuration"
        message = f"its host name is {before} and cannot be set: {said(error)}"
        raise NodeTrouble(Code.HOSTNAME, message, hint=hint) from error
    return f"host name set: it was {before}"
