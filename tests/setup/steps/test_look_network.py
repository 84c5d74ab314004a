"""The network as it is found on replicas of real systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from master_setup import look_network, netfiles
from master_setup.links import Evidence, Manager, candidates, manager_of
from master_setup.machine import Machine
from tests.setup.steps.replica import Answer, Programs, active, addresses, ethernet, says, tree

ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
DEFAULT = "{0}\t00000000\t0100A8C0\t0003\t0\t0\t{1}\t00000000\t0\t0\t0\n"
LOCAL = "{0}\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
BOOTED = {"/run/systemd/system/": ""}


def found(root: Path, files: dict[str, str], **programs: Answer) -> look_network.Network:
    return look_network.look(tree(root, {**BOOTED, **files}, Programs(programs)))


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "interface"),
    [
        ("", "", ""),
        (ROUTES + LOCAL.format("eth0"), "", ""),
        (ROUTES + LOCAL.format("eth0") + DEFAULT.format("eth0", 100), "", "eth0"),
        (ROUTES + DEFAULT.format("wlan0", 600) + DEFAULT.format("eth0", 100), "", "eth0"),
        ("", f"{'0' * 32} 00 {'0' * 32} 00 fe80 00000400 1 0 00000003 eth2\n", "eth2"),
        ("", f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 1 0 00200200 lo\n", ""),
    ],
)
def test_the_default_route(ipv4: str, ipv6: str, interface: str) -> None:
    assert look_network.default_route(ipv4, ipv6) == interface


@pytest.mark.parametrize(
    ("environments", "address"),
    [
        ([], ""),
        ([b"PATH=/bin\0"], ""),
        ([b"PATH=/bin\0", b"A=b\0SSH_CONNECTION=192.168.0.9 4711 192.168.0.2 22\0"], "192.168.0.2"),
        ([b"SSH_CONNECTION=::ffff:10.0.0.9 4711 ::ffff:10.0.0.2 22\0"], "10.0.0.2"),
        ([b"SSH_CONNECTION=fe80::1%eth0 4711 fe80::2%eth0 22\0"], "fe80::2"),
        ([b"SSH_CONNECTION=nonsense\0"], ""),
    ],
)
def test_the_ssh_session(environments: list[bytes], address: str) -> None:
    assert look_network.ssh_address(iter(environments)) == address


def test_interfaces_by_netlink(tmp_path: Path) -> None:
    files = {"/sys/class/net/wlan0/wireless/": "", "/proc/net/route": ROUTES + DEFAULT.format("eth0", 1)}
    ip = addresses(lo=("127.0.0.1/8",), eth0=("192.168.0.2/24", "fe80::1/64"), eth1=(), wlan0=())
    network = found(tmp_path, files, ip=ip, systemctl=active())
    assert [(link.name, link.loopback, link.wireless) for link in network.links] == [
        ("lo", True, False),
        ("eth0", False, False),
        ("eth1", False, False),
        ("wlan0", False, True),
    ]
    assert network.address_texts("eth0") == ("192.168.0.2/24", "fe80::1/64")
    assert candidates(network) == ("eth1",)


def test_interfaces_without_ip(tmp_path: Path) -> None:
    network = found(tmp_path, ethernet("eth0", "eth1"), systemctl=active())
    assert candidates(network) == ("eth0", "eth1")
    assert network.links[-1].loopback


STANZAS = """\
source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback
allow-hotplug eth0
iface eth0 inet dhcp
"""


def test_bookworm_of_the_raspberry_pi(tmp_path: Path) -> None:
    """NetworkManager; ifupdown is not there."""
    nmcli = says("eth0:connected\nwlan0:disconnected\nusb0:unmanaged\nlo:unmanaged\n")
    network = found(tmp_path, {}, systemctl=active("NetworkManager"), nmcli=nmcli)
    assert manager_of("eth1", network.evidence) is Manager.NETWORK_MANAGER
    assert manager_of("usb0", network.evidence) is None


def test_bullseye_of_the_raspberry_pi(tmp_path: Path) -> None:
    """dhcpcd, with ifupdown beside it that is told of nothing."""
    files = {"/usr/sbin/ifup": "", netfiles.INTERFACES: "source /etc/network/interfaces.d/*\n"}
    network = found(tmp_path, files, systemctl=active("dhcpcd"))
    assert manager_of("eth1", network.evidence) is Manager.DHCPCD
    assert network.sources_parts


def test_a_server_of_debian(tmp_path: Path) -> None:
    files = {
        "/usr/sbin/ifup": "",
        netfiles.INTERFACES: STANZAS,
        "/etc/network/interfaces.d/vlan": "iface eth5 inet manual",
    }
    network = found(tmp_path, files, systemctl=active())
    assert network.evidence.stanzas == ("lo", "eth0", "eth5")
    assert manager_of("eth1", network.evidence) is Manager.IFUPDOWN
    assert not network.ours


def test_a_desktop_of_debian(tmp_path: Path) -> None:
    """NetworkManager leaves alone what /etc/network/interfaces names."""
    files = {"/usr/sbin/ifup": "", netfiles.INTERFACES: STANZAS}
    evidence = found(tmp_path, files, systemctl=active("NetworkManager"), nmcli=says("eth0:unmanaged\n")).evidence
    assert manager_of("eth0", evidence) is Manager.IFUPDOWN
    assert manager_of("eth1", evidence) is Manager.NETWORK_MANAGER


def test_a_server_with_networkd(tmp_path: Path) -> None:
    network = found(tmp_path, {}, systemctl=active("systemd-networkd"))
    assert manager_of("eth1", network.evidence) is Manager.NETWORKD


def test_nobody_that_is_known(tmp_path: Path) -> None:
    evidence = found(tmp_path, {"/sbin/ifup": ""}, systemctl=active("connman")).evidence
    assert evidence.others == ("connman",)
    assert manager_of("eth1", evidence) is None
    assert manager_of("eth1", Evidence()) is None


@pytest.mark.parametrize("manager", list(Manager))
def test_what_we_did_ourselves_is_known_as_ours(tmp_path: Path, manager: Manager) -> None:
    """What is found must not change by what is made of it, but for being ours."""
    from ipaddress import IPv4Interface

    from master_setup.record import Record
    from master_setup.wants.base import fields_of, kind_of
    from master_setup.wants.network import file_wants

    files = {"/usr/sbin/ifup": "", netfiles.INTERFACES: STANZAS, netfiles.DHCPCD_FILE: "hostname\n"}
    machine = tree(tmp_path, {**files, "/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\n"})
    before = look_network.look(machine)
    for parts in (True, False):
        record = Record(machine)
        for want in file_wants(manager, "eth1", IPv4Interface("10.77.0.1/24"), parts=parts):
            want.make(machine, record.open(want.key, kind_of(want), "network", fields_of(want)))
        after = look_network.look(machine)
        assert after.ours
        assert after.evidence == before.evidence
        for want in reversed(file_wants(manager, "eth1", IPv4Interface("10.77.0.1/24"), parts=parts)):
            want.undo(machine, record.memory(want.key))
        assert look_network.look(machine) == before


def test_who_is_in_the_way(tmp_path: Path) -> None:
    network = found(
        tmp_path, {"/etc/ufw/ufw.conf": "LOGLEVEL=low\nENABLED=yes\n"}, systemctl=active("named", "tftpd-hpa")
    )
    assert network.conflicts == ("named", "tftpd-hpa")
    assert network.firewalls == ("ufw",)


def test_a_tree_that_becomes_an_image(tmp_path: Path) -> None:
    wanted = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    network = look_network.look(tree(tmp_path, {wanted: ""}))
    assert manager_of("eth0", network.evidence) is Manager.NETWORKD
    assert network.links == ()


def test_ancestors_are_asked(tmp_path: Path) -> None:
    import os

    files = {
        f"/proc/{os.getpid()}/environ": "SUDO_USER=mary\0",
        f"/proc/{os.getpid()}/stat": f"{os.getpid()} (python3 (x)) S 77 1 1",
        "/proc/77/environ": "SSH_CONNECTION=192.168.0.9 1 192.168.0.2 22\0",
        "/proc/77/stat": "77 (bash) S 1 1 1",
    }
    machine: Machine = tree(tmp_path, {**BOOTED, **files}, Programs({"ip": addresses(eth0=("192.168.0.2/24",))}))
    assert look_network.look(machine).ssh == "eth0"
