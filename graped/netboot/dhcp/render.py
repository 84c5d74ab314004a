"""dnsmasq's files from the plan. Pure.

The main file is read at a start only, and a restart drops the transfers of everybody who is booting. So nothing of a
single node stands in it: nodes are files of their own in ``hosts/`` and ``names/``, which dnsmasq watches, and what
kind of machine asks is told by its packets. A host line never has ``set:`` in it: dnsmasq 2.90 dies of that at the
next SIGHUP (fixed in 2.91).

Source: dnsmasq(8); option 97 of each model: Raspberry Pi documentation, eeprom-bootloader, DHCP_OPTION97.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from typing import Final

from graped.config.types import Model
from graped.netboot.dhcp.layout import Layout, plain
from graped.netboot.plan import NetPlan, NodePlan

HEAD: Final = "# Written by graped for its own dnsmasq. Changes are lost.\n"
MASTER_NAME: Final = "master"

# Who made the network chip of a Pi: the first three octets of its MAC address. Source: IEEE OUI registry.
PI_MAKERS: Final = ("b8:27:eb", "dc:a6:32", "e4:5f:01", "d8:3a:dd", "28:cd:c1", "2c:cf:67", "88:a2:9e")

# The boot ROM of a 3B sends a constant; 4 and 5 begin with their name; a 3B+ sends its serial four times.
_GUIDS: Final = {"rpi3b": "00" + ":44" * 16, "rpi4": "00:52:50:69:34", "rpi5": "00:52:50:69:35", "rpi": "00:52:50:69"}

# What a PC's own network ROM loads first, by its architecture (RFC 4578, section 2.1): an iPXE, which asks again.
LOADERS: Final = {
    "bios": ((0,), "undionly.kpxe"),
    "efi64": ((7, 9), "snponly.efi"),
}
SCRIPT: Final = "boot.ipxe"


def main_config(plan: NetPlan, *, user: str = "dnsmasq", group: str = "nogroup") -> str:
    """Return ``dnsmasq.conf``. Raises: ServerError where the folder's path cannot be written into it."""
    parts = (_service(plan, user, group), _names(plan), _addresses(plan), _machines(plan), _boot(plan))
    return HEAD + "".join(f"{line}\n" for part in parts for line in part)


def host_files(plan: NetPlan, waiting: Collection[str] = ()) -> dict[str, str]:
    """Return the reservations: file name in ``hosts/`` -> its line. Nodes that are ``waiting`` have none yet."""
    nodes = (node for node in plan.nodes if node.name not in waiting)
    return {node.name: f"{node.mac},{node.address},{node.name},infinite\n" for node in nodes}


def name_files(plan: NetPlan) -> dict[str, str]:
    """Return the DNS names: file name in ``names/`` -> its line. They answer also for nodes that are off."""
    master = {MASTER_NAME: f"{plan.master.ip} {MASTER_NAME}\n"}
    return master | {node.name: f"{node.address} {node.name}\n" for node in plan.nodes}


def candidate(main: str, hosts: dict[str, str]) -> str:
    """Return one file that has dnsmasq judge everything at once: it does not look into folders when it only tests."""
    return main + "".join(f"dhcp-host={line}" for line in hosts.values())


def _service(plan: NetPlan, user: str, group: str) -> Iterator[str]:
    at = Layout(plan.folder)
    yield f"interface={plan.interface}"
    yield "except-interface=lo"
    yield "bind-interfaces"
    yield f"user={user}"
    yield f"group={group}"
    yield "pid-file="  # none: whoever started it knows
    yield f"log-facility={plain(at.log)}"
    yield "log-dhcp"


def _names(plan: NetPlan) -> Iterator[str]:
    """Answer for the cluster's own names; pass on others to the servers of the master's resolv.conf."""
    yield "no-hosts"
    yield f"hostsdir={plain(Layout(plan.folder).names)}"
    yield f"domain={plan.domain},{plan.master.network}"
    yield f"local=/{plan.domain}/"
    yield "expand-hosts"
    yield "domain-needed"
    yield "bogus-priv"
    yield "cache-size=1000"


def _addresses(plan: NetPlan) -> Iterator[str]:
    at = Layout(plan.folder)
    network = plan.master.network
    yield f"dhcp-range={network.network_address},static,{network.netmask},infinite"
    yield f"dhcp-hostsdir={plain(at.hosts)}"
    yield f"dhcp-leasefile={plain(at.leases)}"
    yield "dhcp-ignore=tag:!known"
    yield "dhcp-authoritative"
    yield "dhcp-ignore-clid"  # boot ROM, kernel and system of one node send three identities: its MAC counts
    yield "dhcp-ignore-names"  # a node is called what the configuration says
    yield f"dhcp-option=option:router,{plan.master.ip}"
    yield f"dhcp-option=option:dns-server,{_list(plan.dns)}"
    yield f"dhcp-option=option:ntp-server,{_list(plan.ntp)}"
    yield f"dhcp-option=option:domain-search,{plan.domain}"


def _machines(plan: NetPlan) -> Iterator[str]:
    """Tell by its packets what kind of machine asks."""
    yield from (f"dhcp-match=set:{tag},97,{guid}" for tag, guid in _GUIDS.items())
    yield "tag-if=set:rpi,tag:rpi3b"
    yield from (f"dhcp-mac=set:rpi,{maker}:*:*:*" for maker in PI_MAKERS)
    for tag, (architectures, _) in LOADERS.items():
        yield from (f"dhcp-match=set:{tag},option:client-arch,{number}" for number in architectures)
    yield "dhcp-userclass=set:ipxe,iPXE"
    yield from (f"dhcp-mac=set:{tag},{node.mac}" for node in plan.nodes for tag in _odd(node))
    yield "tag-if=set:pi,tag:rpi,tag:!pc,tag:!ipxe"


def _odd(node: NodePlan) -> Iterator[str]:
    """Name the tag of a machine whose packets tell something else than it is: a chip of another maker, mostly."""
    looks_like_pi = node.mac[:8] in PI_MAKERS
    if node.model is Model.PXE and looks_like_pi:
        yield "pc"
    if node.model is Model.PI3BPLUS and not looks_like_pi:
        yield "rpi"


def _boot(plan: NetPlan) -> Iterator[str]:
    yield "dhcp-reply-delay=tag:rpi3b,1"  # its boot ROM misses an answer that comes at once (firmware#862)
    yield 'pxe-service=tag:pi,0,"Raspberry Pi Boot   "'  # a 3B wants these three blanks
    yield f"dhcp-boot=tag:ipxe,{SCRIPT}"
    yield from (f"dhcp-boot=tag:{tag},tag:!ipxe,tag:!pi,{loader}" for tag, (_, loader) in LOADERS.items())
    yield "enable-tftp"
    yield "tftp-no-fail"
    yield f"tftp-root={plain(Layout(plan.folder).tftp)}"
    yield "tftp-unique-root=mac"
    yield f"tftp-max={plan.tftp_max}"


def _list(addresses: tuple[IPv4Address, ...]) -> str:
    return ",".join(str(address) for address in addresses)
