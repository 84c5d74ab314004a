"""A dockerd that runs: one that is starting is waited for, one that has failed is started and asked why.

One that starts with the certificate of an entry that was removed tries for 20 s to be let in, and answers nobody
meanwhile. What it knows of the swarm is worth nothing, so that it is made to forget it at once.
"""

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


_FORGET: Final = """systemctl kill --signal=KILL docker.service 2>/dev/null
systemctl stop docker.service docker.socket
rm -rf -- "$1"/swarm
"""


def forget(node: Remote, machine: Machine) -> str:
    """Have a dockerd that is still starting start anew, in no swarm; return what was done. Raises: NodeTrouble."""
    node.script(_FORGET, machine.data.path, what="forgetting the swarm", timeout_s=START_S)
    start(node, machine)
    return "docker started anew: its entry in the swarm is gone"


def start(node: Remote, machine: Machine) -> str:
    """Have systemd start it, or wait for a start under way; return what was done. Raises: NodeTrouble."""
    try:
        node.script(_START, what="starting Docker", timeout_s=START_S)
    except CommandFailed as error:
        hint = "journalctl -u docker on the node"
        raise NodeTrouble(Code.NOT_RUNNING, f"Docker does not start: {said(error)}", hint=hint) from error
    return f"docker started: it was {machine.service}"
