"""What makes a root its node's: whom it lets in, and how others know it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from graped.config.types import Boot, Cluster, Config, Device, Netboot, Ssh, Stack
from graped.netboot.plan import plan
from graped.network.ssh_keys import KeyRing
from graped.provision.identities import identity_of, known_nodes

CLIENT = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd grape_docker"
DEVICES = {
    0: Device(mac="b8:27:eb:00:00:01"),
    1: Device(mac="b8:27:eb:00:00:02", boot=Boot.LOCAL, address=IPv4Address("192.168.1.9")),
}


def config_of(*, active: bool) -> Config:
    net = Netboot(active=active, interface="eth1", address=IPv4Interface("10.77.0.1/24") if active else None)
    return Config(cluster=Cluster(stacks={0: Stack(devices=DEVICES)}), netboot=net, ssh=Ssh(authorized_keys=("a b c",)))


def test_a_new_root_lets_in_the_cluster_people_and_programs(tmp_path: Path) -> None:
    keys, config = KeyRing(tmp_path / "ssh"), config_of(active=True)
    keys.clients.set("grape_docker", CLIENT)
    layout = plan(config)
    lets_in = identity_of(layout.nodes[0], layout, config, keys).authorized_keys
    assert lets_in == (keys.cluster_public_key(), "a b c", CLIENT)


def test_every_node_with_an_address_is_known_whether_it_netboots_or_not() -> None:
    there = {node.name: node for node in known_nodes(config_of(active=True))}
    assert set(there) == {"worker-0-0", "worker-0-1"}
    assert there["worker-0-0"].aliases == ("worker-0-0.grape",)
    (alone,) = known_nodes(config_of(active=False))
    assert (alone.name, alone.addresses) == ("worker-0-1", (IPv4Address("192.168.1.9"),))
