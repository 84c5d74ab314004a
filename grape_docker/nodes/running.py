"""A dockerd that runs: one that is starting is waited for, one that has failed is started and asked why."""

from __future__ import annotations

from typing import Final

from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Machine
from graped.errors import CommandFailed

START_S: Final = 120.0  # a Pi that boots from NFS; its job may wait for the network
_START: Final = """systemctl reset-failed docker.service 2>/dev/null
timeout 110 systemctl start docker.service 2>/dev/null && exit 0
why=$(journalctl _SYSTEMD_UNIT=docker.service -n 50 -o cat --no-pager 2>/dev/null |
    grep -i 'failed to\\|fatal\\|unable to' | tail -n 1)
echo "${why:-systemctl start docker.service failed, and its journal does not say why}" >&2
exit 1"""


def start(node: Remote, machine: Machine) -> str:
    """Have systemd start it, or wait for a start under way; return what was done. Raises: NodeTrouble."""
    try:
        node.script(_START, what="starting Docker", timeout_s=START_S)
    except CommandFailed as error:
        hint = "journalctl -u docker on the node"
        raise NodeTrouble(Code.NOT_RUNNING, f"Docker does not start: {said(error)}", hint=hint) from error
    return f"docker started: it was {machine.service}"
