"""Rules of the cluster's network: what netbooting needs, and who has which address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Final

from graped.config.addresses import SLOTS_A_STACK, address_of, default_address
from graped.config.claims import Claim, once
from graped.config.findings import Findings, Path, shown
from graped.config.net_values import PLAIN_FOLDER
from graped.config.stacks import AT
from graped.config.types import Boot, Config, Device
from graped.model import SlotId

_NET: Final = "netboot"
_ADDRESS: Final[Path] = (_NET, "address")
_FIRST: Final[Path] = (_NET, "first_host")
_OURS: Final = re.compile(r"(?:^|\s)((?:root|nfsroot|ip)=\S*)")  # words of cmdline.txt that graped writes itself


def judge_netboot(config: Config, findings: Findings, ranks: Mapping[str, int]) -> None:
    """Judge what netbooting needs, and the addresses where a network is said."""
    if config.netboot.active:
        _what_it_needs(config, findings)
        _whom_it_serves(config, findings)
    if config.netboot.address is not None and findings.sound(_ADDRESS, _FIRST):
        _inside_the_network(config, findings)
    _one_address_each(config, findings, ranks)
    _one_serial_each(config, findings, ranks)
    if config.netboot.syslog_port == config.netboot.netconsole_port and findings.sound((_NET, "netconsole_port")):
        findings.note(
            (_NET, "netconsole_port"), "another port than netboot.syslog_port", str(config.netboot.syslog_port)
        )
    ours = _OURS.findall(config.netboot.kernel_args)
    if ours:
        findings.note((_NET, "kernel_args"), "words other than root=, nfsroot= and ip=: graped writes these", ours[0])


def _what_it_needs(config: Config, findings: Findings) -> None:
    net = config.netboot
    if net.interface is None and findings.sound((_NET, "interface")):
        words = "the interface that the nodes are on, such as eth1, because netboot.active is true"
        findings.note((_NET, "interface"), words, "nothing")
    if net.address is None and findings.sound(_ADDRESS):
        words = "the master's address on it with its network, such as 10.77.0.1/24, because netboot.active is true"
        findings.note(_ADDRESS, words, "nothing")
    state_dir = ("store", "state_dir")
    plain = PLAIN_FOLDER.fullmatch(str(config.store.state_dir))
    if net.folder is None and not plain and findings.sound((_NET, "folder"), state_dir):
        words = "a path of letters, digits and . _ + -, because images are kept below it; or set netboot.folder"
        findings.note(state_dir, words, shown(str(config.store.state_dir)))


def _whom_it_serves(config: Config, findings: Findings) -> None:
    """Warn about nodes that cannot netboot as things are, one line for each cause."""
    without_image: list[str] = []
    for slot, device in _devices(config):
        path = _device_path(slot)
        if device.boot is not Boot.NETWORK or not findings.sound(path):
            continue
        if slot.slot >= SLOTS_A_STACK:
            findings.warn(path, f"not netbooted: only slots 0 to {SLOTS_A_STACK - 1} of a stack have addresses")
        elif device.mac is None:
            findings.warn(path, "not netbooted: it has no mac")
        elif device.image is None and config.netboot.image is None and findings.sound((_NET, "image")):
            without_image.append(config.node_name(slot))
    if without_image:
        more = f" and {len(without_image) - 1} more" if len(without_image) > 1 else ""
        findings.warn(
            (_NET, "image"), f"no image for {without_image[0]}{more}: set one here or by grapecli node set --image"
        )


def _inside_the_network(config: Config, findings: Findings) -> None:
    """Judge each node's address against the network; of those by place the first bad one blames ``first_host``."""
    by_place = [(slot, device) for slot, device in _devices(config) if device.address is None]
    for slot, device in _devices(config):
        path = (*_device_path(slot), "address")
        words = "" if device.address is None else _misplaced(device.address, config)
        if words and findings.sound(path):
            findings.note(path, words, str(device.address))
    for slot, _ in by_place:
        words = _no_place(slot, config) if slot.slot < SLOTS_A_STACK else ""
        if words:
            findings.note(_FIRST, words, str(config.netboot.first_host))
            return


def _no_place(slot: SlotId, config: Config) -> str:
    """Say what ``first_host`` should be instead where a node by place has no good address; "" where it has."""
    assert config.netboot.address is not None
    address, name = default_address(config, slot), config.node_name(slot)
    if address == config.netboot.address.ip:
        return f"another number: {name} would have the master's address {address}"
    if address is None or _misplaced(address, config):
        return f"a number that leaves room for {name} in {config.netboot.address.network}"
    return ""


def _misplaced(address: IPv4Address, config: Config) -> str:
    """Say what an address of a node should be instead; "" where it is one."""
    assert config.netboot.address is not None
    network = config.netboot.address.network
    if address == config.netboot.address.ip:
        return "another address than the master's"
    if address not in network or address in (network.network_address, network.broadcast_address):
        return f"the address of a host in {network}"
    return ""


def _one_address_each(config: Config, findings: Findings, ranks: Mapping[str, int]) -> None:
    claims = []
    for slot, _ in _devices(config):
        address, path = address_of(config, slot), (*_device_path(slot), "address")
        if address is not None and findings.sound(path, _ADDRESS, _FIRST):
            source = findings.source(path) if findings.is_set(path) else "default"
            claims.append(Claim(str(address), path, source))
    once(claims, "an address of its own", findings, ranks)


def _one_serial_each(config: Config, findings: Findings, ranks: Mapping[str, int]) -> None:
    claims = []
    for slot, device in _devices(config):
        path = (*_device_path(slot), "serial")
        if device.serial is not None:
            claims.append(Claim(device.serial, path, findings.source(path)))
    once(claims, "a serial number of its own", findings, ranks)


def _device_path(slot: SlotId) -> Path:
    return (*AT, str(slot.stack), "devices", str(slot.slot))


def _devices(config: Config) -> Iterator[tuple[SlotId, Device]]:
    for key, stack in config.cluster.stacks.items():
        for slot, device in stack.devices.items():
            yield SlotId(key, slot), device
