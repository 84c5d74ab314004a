"""What makes a root the one of its node: names, keys, mounts, out of configuration and key ring."""

from __future__ import annotations

import hashlib

from graped.config.addresses import address_of
from graped.config.types import Config
from graped.model import SlotId
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
        authorized_keys=(keys.cluster_public_key(), *config.ssh.authorized_keys, *keys.clients.all().values()),
        fstab=volume,
        ntp=tuple(map(str, plan.ntp)),
    )


def machine_id(public_keys: tuple[str, ...]) -> str:
    """Derive a machine-id that lasts as long as the node's host keys do. Source: machine-id(5), 32 hex digits."""
    return hashlib.sha256("\n".join(("machine-id", *public_keys)).encode()).hexdigest()[:32]


def known_nodes(config: Config) -> tuple[KnownNode, ...]:
    """Name every node that has an address as ``known_hosts`` does."""
    slots = [
        SlotId(key, slot) for key, stack in sorted(config.cluster.stacks.items()) for slot in sorted(stack.devices)
    ]
    there = [(config.node_name(slot), address_of(config, slot)) for slot in slots]
    return tuple(
        KnownNode(name=name, addresses=(at,), port=config.ssh.port, aliases=(f"{name}.{config.netboot.domain}",))
        for name, at in there
        if at is not None
    )
