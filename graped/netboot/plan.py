"""Who is served what: the configuration as one value that every server is rendered from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from graped.config.addresses import SLOTS_A_STACK, address_of
from graped.config.types import Boot, Config, Device, Model, Strategy
from graped.errors import NetbootOff
from graped.model import SlotId
from graped.netboot.console import Receiver, receiver_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node in a slot 0-5 whose MAC address is known. ``image`` is as it was asked for ("" none), not resolved."""

    slot: SlotId
    name: str
    mac: str  # lower case, colons
    address: IPv4Address
    model: Model | None
    serial: str | None
    boot: Boot
    image: str
    strategy: Strategy
    docker_bytes: int

    @property
    def number(self) -> int:
        """A number of its own, 1-96: unique and the same for ever, for fsids and export ids."""
        return 1 + self.slot.stack * SLOTS_A_STACK + self.slot.slot


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPlan:
    """The cluster's network and everybody on it."""

    interface: str
    master: IPv4Interface
    folder: Path  # images/, roots/, tftp/, dnsmasq/, nfs/ are below it
    domain: str
    dns: tuple[IPv4Address, ...]
    ntp: tuple[IPv4Address, ...]
    tftp_max: int
    kernel_args: str
    config_txt: tuple[str, ...]
    nodes: tuple[NodePlan, ...]  # by slot
    receiver: Receiver | None = None  # where nodes send what they say


def plan(config: Config) -> NetPlan:
    """Lay out the network of a configuration whose ``netboot.active`` is true. Raises: NetbootOff."""
    net = config.netboot
    if not net.active or net.interface is None or net.address is None:
        raise NetbootOff("netbooting is not switched on", hint="Set netboot.active, interface and address.")
    devices = [
        (SlotId(key, slot), device)
        for key, stack in sorted(config.cluster.stacks.items())
        for slot, device in sorted(stack.devices.items())
    ]
    return NetPlan(
        interface=net.interface,
        master=net.address,
        folder=folder(config),
        domain=net.domain,
        dns=net.dns or (net.address.ip,),
        ntp=net.ntp or (net.address.ip,),
        tftp_max=net.tftp_max,
        kernel_args=net.kernel_args,
        config_txt=net.config_txt,
        receiver=receiver_of(config),
        nodes=tuple(
            _node(config, slot, device, device.mac)
            for slot, device in devices
            if device.mac and slot.slot < SLOTS_A_STACK
        ),
    )


def folder(config: Config) -> Path:
    """Where images, roots and the servers' files are kept."""
    return config.netboot.folder or config.store.state_dir / "netboot"


def _node(config: Config, slot: SlotId, device: Device, mac: str) -> NodePlan:
    net = config.netboot
    address = address_of(config, slot)
    assert address is not None  # the rules of the configuration have looked
    gigabytes = net.docker_gb if device.docker_gb is None else device.docker_gb
    return NodePlan(
        slot=slot,
        name=config.node_name(slot),
        mac=mac,
        address=address,
        model=device.model,
        serial=device.serial,
        boot=device.boot,
        image=(device.image or net.image or "") if device.boot is Boot.NETWORK else "",
        strategy=device.strategy or net.strategy,
        docker_bytes=int(gigabytes * 1_000_000_000),
    )
