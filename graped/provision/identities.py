"""What makes a root the one of its node: names, keys, mounts, out of configuration and key ring."""

from __future__ import annotations

import hashlib

from graped.config.types import Config
from graped.netboot.plan import NetPlan, NodePlan
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.volumes import volume_folder, volume_fstab
from graped.network.ssh_keys import KeyRing, KnownNode


def identity_of(node: NodePlan, plan: NetPlan, config: Config, keys: KeyRing) -> Identity:
    """Make up a node's identity. Its host keys are made here at the first call, and kept for ever."""
    host_keys = keys.host_keys(node.name)
    volume = volume_fstab(plan.master.ip, volume_folder(plan.folder, node.name)) if node.docker_bytes else ()
    return Identity(
        hostname=node.name,
        domain=plan.domain,
        machine_id=machine_id(keys.public_keys(node.name)),
        master=plan.master.ip,
        host_keys=host_keys,
        authorized_keys=(keys.cluster_public_key(), *config.ssh.authorized_keys),
        fstab=volume,
        ntp=tuple(map(str, plan.ntp)),
    )


def machine_id(public_keys: tuple[str, ...]) -> str:
    """Derive a machine-id that lasts as long as the node's host keys do. Source: machine-id(5), 32 hex digits."""
    return hashlib.sha256("\n".join(("machine-id", *public_keys)).encode()).hexdigest()[:32]


def known_nodes(plan: NetPlan, port: int) -> tuple[KnownNode, ...]:
    """Name every node as ``known_hosts`` does."""
    return tuple(
        KnownNode(name=node.name, addresses=(node.address,), port=port, aliases=(f"{node.name}.{plan.domain}",))
        for node in plan.nodes
    )
