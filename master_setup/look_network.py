"""Look at the machine's network: interfaces, routes, who manages them, and who else serves on them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from master_setup import netfiles
from master_setup.links import Evidence, Link, Network
from master_setup.machine import Machine
from master_setup.wants.blocks import without_block

SYS: Final = "/sys/class/net"
ETHERNET: Final = "1"  # ARPHRD_ETHER
ANCESTORS: Final = 30  # a session is not nested deeper
UNITS: Final = ("NetworkManager", "systemd-networkd", "dhcpcd", "connman", "wickedd", "firewalld")
SERVERS: Final = {  # who would answer on the cluster's interface, and how it is kept off it
    "isc-dhcp-server": "take {0} out of INTERFACESv4 in /etc/default/isc-dhcp-server",
    "kea-dhcp4-server": 'take {0} out of "interfaces" in /etc/kea/kea-dhcp4.conf',
    "udhcpd": "set another interface in /etc/udhcpd.conf",
    "named": "listen-on {{ ! {1}; any; }}; in the options of /etc/bind/named.conf.options",
    "unbound": "name the addresses that it serves by interface: in /etc/unbound/unbound.conf",
    "tftpd-hpa": "give it one address by TFTP_ADDRESS in /etc/default/tftpd-hpa",
    "atftpd": "bind it to one address by --bind-address in /etc/default/atftpd",
}


def look(machine: Machine) -> Network:
    """Look once."""
    links = _links(machine)
    active = _active(machine, (*UNITS, *SERVERS))
    return Network(
        links=links,
        default_route=default_route(machine.text("/proc/net/route"), machine.text("/proc/net/ipv6_route")),
        ssh=_link_with(links, ssh_address(_environments(machine))),
        evidence=_evidence(machine, active),
        sources_parts=_reads_parts(machine.text(netfiles.INTERFACES)),
        conflicts=tuple(name for name in SERVERS if name in active),
        firewalls=_firewalls(machine, active),
        ours=_ours(machine),
    )


def default_route(ipv4: str, ipv6: str) -> str:
    """Return the interface of the default route out of ``/proc/net/route`` and ``ipv6_route``; "" without one."""
    best: tuple[int, str] | None = None
    for words in map(str.split, ipv4.splitlines()[1:]):
        if len(words) > 7 and words[1] == words[7] == "00000000":
            best = min(filter(None, (best, (int(words[6]), words[0]))))
    if best is None:
        for words in map(str.split, ipv6.splitlines()):
            if len(words) > 9 and set(words[0] + words[1]) == {"0"} and words[9] != "lo":
                best = min(filter(None, (best, (int(words[5], 16), words[9]))))
    return best[1] if best else ""


def ssh_address(environments: Iterator[bytes]) -> str:
    """Return this machine's address in the SSH session that leads here; "" where there is none.

    sudo takes the variable away; the shell that called sudo still has it.
    """
    for environment in environments:
        for word in environment.split(b"\0"):
            if word.startswith(b"SSH_CONNECTION="):
                parts = word.decode(errors="replace").partition("=")[2].split()
                return parts[2].partition("%")[0].removeprefix("::ffff:") if len(parts) == 4 else ""
    return ""


def stanzas(machine: Machine) -> tuple[str, ...]:
    """Return the interfaces that ifupdown was told of by others."""
    found: dict[str, None] = {}
    texts = [without_block(machine.text(netfiles.INTERFACES), name="network")]
    for text in texts:  # grows by what is sourced
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "iface":
                found[words[1]] = None
            elif len(words) > 1 and words[0] in ("source", "source-directory") and len(texts) < 100:
                texts += [
                    machine.text(name) for name in _sourced(machine, words[0], words[1]) if name != netfiles.STANZA_FILE
                ]
    return tuple(found)


def _sourced(machine: Machine, verb: str, pattern: str) -> Iterator[str]:
    path = pattern if pattern.startswith("/") else f"/etc/network/{pattern}"
    for found in sorted(machine.root.glob((path if verb == "source" else f"{path}/*").lstrip("/"))):
        if verb == "source" or re.fullmatch(r"[a-zA-Z0-9_-]+", found.name):
            yield f"/{found.relative_to(machine.root)}"


def _reads_parts(text: str) -> bool:
    words = [line.split() for line in text.splitlines()]
    targets = {
        f"source {netfiles.INTERFACES}.d/*",
        f"source-directory {netfiles.INTERFACES}.d",
        "source interfaces.d/*",
    }
    return any(" ".join(each) in {*targets, "source-directory interfaces.d"} for each in words)


def _ours(machine: Machine) -> bool:
    """Tell whether one of our files is there."""
    if any(map(machine.exists, (netfiles.PROFILE_FILE, netfiles.NETWORKD_FILE, netfiles.STANZA_FILE))):
        return True
    texts = map(machine.text, (netfiles.INTERFACES, netfiles.DHCPCD_FILE))
    return any(without_block(text, name="network") != text for text in texts)


def _links(machine: Machine) -> tuple[Link, ...]:
    """Ask the kernel by ``ip``; where that is missing, ``/sys`` tells the names."""
    try:
        raw = json.loads(machine.says("ip", "-json", "-details", "address", "show") or "[]")
    except ValueError:
        raw = []
    return tuple(_link(machine, each) for each in raw if "ifname" in each) or tuple(
        _link_of_sys(machine, name) for name in machine.names(SYS)
    )


def _link(machine: Machine, raw: Mapping[str, Any]) -> Link:
    made_by = raw.get("linkinfo", {}).get("info_kind", "")
    found = (one for one in raw.get("addr_info", ()) if "local" in one)
    return Link(
        name=raw["ifname"],
        mac=raw.get("address", ""),
        hardware=not made_by,
        wireless=_wireless(machine, raw["ifname"]),
        bridge=made_by == "bridge",
        loopback=raw.get("link_type") != "ether",
        addresses=tuple(f"{one['local']}/{one['prefixlen']}" for one in found),
    )


def _link_of_sys(machine: Machine, name: str) -> Link:
    return Link(
        name=name,
        mac=machine.text(f"{SYS}/{name}/address").strip(),
        hardware=machine.exists(f"{SYS}/{name}/device"),
        wireless=_wireless(machine, name),
        bridge=machine.exists(f"{SYS}/{name}/bridge"),
        loopback=machine.text(f"{SYS}/{name}/type").strip() != ETHERNET,
    )


def _wireless(machine: Machine, name: str) -> bool:
    return machine.exists(f"{SYS}/{name}/wireless") or machine.exists(f"{SYS}/{name}/phy80211")


def _link_with(links: tuple[Link, ...], address: str) -> str:
    """Return the interface that has an address, given without its network."""
    here = [link.name for link in links if address in {one.partition("/")[0] for one in link.addresses}]
    return here[0] if here else ""


def _environments(machine: Machine) -> Iterator[bytes]:
    """Yield the environments of this process and of those that called it."""
    pid = os.getpid()
    for _ in range(ANCESTORS):
        yield machine.read(f"/proc/{pid}/environ") or b""
        words = machine.text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pid = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if pid < 2:
            return


def _evidence(machine: Machine, active: frozenset[str]) -> Evidence:
    """Tell who is in charge; in a tree that becomes an image, who will be."""
    ifupdown = machine.exists("/usr/sbin/ifup") or machine.exists("/sbin/ifup")
    if not machine.booted:
        wanted = "/etc/systemd/system/multi-user.target.wants"
        return Evidence(
            network_manager=machine.exists("/usr/sbin/NetworkManager"),
            networkd=machine.exists(f"{wanted}/systemd-networkd.service"),
            ifupdown=ifupdown,
            dhcpcd=machine.exists(f"{wanted}/dhcpcd.service"),
            stanzas=stanzas(machine),
        )
    return Evidence(
        network_manager="NetworkManager" in active,
        networkd="systemd-networkd" in active,
        ifupdown=ifupdown,
        dhcpcd="dhcpcd" in active,
        unmanaged=_unmanaged(machine) if "NetworkManager" in active else (),
        stanzas=stanzas(machine),
        others=tuple(name for name in ("connman", "wickedd") if name in active),
    )


def _unmanaged(machine: Machine) -> tuple[str, ...]:
    said = machine.says("nmcli", "--terse", "--fields", "DEVICE,STATE", "device", "status")
    pairs = (line.rpartition(":") for line in said.splitlines())
    return tuple(name.replace("\\:", ":") for name, _, state in pairs if state == "unmanaged")


def _active(machine: Machine, units: tuple[str, ...]) -> frozenset[str]:
    if not machine.booted:
        return frozenset()
    states = machine.says("systemctl", "is-active", *units).splitlines()
    return frozenset(name for name, state in zip(units, states, strict=False) if state == "active")


def _firewalls(machine: Machine, active: frozenset[str]) -> tuple[str, ...]:
    ufw = any(line.strip().lower() == "enabled=yes" for line in machine.text("/etc/ufw/ufw.conf").splitlines())
    return tuple(name for name, on in (("ufw", ufw), ("firewalld", "firewalld" in active)) if on)
