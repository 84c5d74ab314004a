"""The cluster's network on real machines: given by who manages it, taken back unless confirmed, and what it carries."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.machines.bare_machine import CLUSTER, SOURCE, UPLINK_ADDRESS, UPLINK_GATEWAY, BareMachine
from tests.lab.network import Network
from tests.lab.run import Run

ADDRESS = "10.77.0.1/24"
# What `grape-setup` does, but for these steps alone: a whole installation is what test_install shows.
SETUP = """
import importlib, sys
from master_setup import applying, cli, look, machine, options, planning, record, reverting, telling
steps = [importlib.import_module(f"master_setup.steps.{name}") for name in sys.argv[1].split(",")]
here = machine.Machine(say=telling.progress)
found = record.load(here)
asked = cli.parse(sys.argv[2:])
found.options = options.merged(found.options, asked.given)
if asked.verb == "revert":
    done = reverting.revert(here, found)
    assert not done.failed, done.failed
    print(done.undone)
else:
    wants = planning.wanted(look.look(here, found.options), found.options, steps)
    print(applying.apply(here, wants, found).changes)
"""
# systemd-networkd takes a /sys that can be written for a sign of udev, for which it then waits.
NO_UDEV = """
[Unit]
DefaultDependencies=no
Before=systemd-networkd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount -o remount,bind,ro /sys
[Install]
WantedBy=systemd-networkd.service
"""
WITHIN = "20"  # long enough to look at what was set up, on a machine with much to do
BACK_S = 60.0
APT_S = 300.0
NTP_QUESTION = bytes([0x23]) + bytes(47)  # version 4, from a client (RFC 5905, figure 8)
NTP_UNIX_S = 2_208_988_800


@pytest.fixture
def cluster(lab: Run) -> Network:
    return Network(lab)


@pytest.fixture
def machine(lab: Run, cluster: Network) -> BareMachine:
    made = BareMachine(lab, cluster=cluster)
    made.boot()
    install = (
        "apt-get",
        "--quiet=2",
        "--yes",
        "--no-install-recommends",
        "install",
        "python3",
        "nftables",
        "chrony",
        "dbus",
    )
    made.do("sh", "-c", f"apt-get --quiet=2 update && {' '.join(install)}", timeout_s=APT_S)
    return made


def setup(machine: BareMachine, *words: str, steps: str = "nat,clock,network") -> int:
    """Run those steps; return the number of changes."""
    return int(machine.do("env", f"PYTHONPATH={SOURCE}", "python3", "-c", SETUP, steps, *words))


def confirm(machine: BareMachine) -> str:
    return machine.do("env", f"PYTHONPATH={SOURCE}", "python3", "-m", "master_setup", "confirm")


def network_of(machine: BareMachine) -> str:
    """Give all that the steps may change of the network: files, addresses, the state of the interface."""
    files = "find /etc/network /etc/systemd ! -type d ! -name 'grape-nat*' ! -name 'chrony*' -exec md5sum {} + | sort"
    link = f"ip -brief address show dev {CLUSTER} | sed 's/fe80[^ ]*//; s/ *$//'"
    return machine.do("sh", "-c", f"{files}; {link}; [ ! -e /var/lib/grape/setup/network-undo ] || echo undo")


def until(is_so: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {timeout_s} s"
        time.sleep(0.2)


def has_address(machine: BareMachine) -> bool:
    return ADDRESS in machine.do("ip", "-brief", "address", "show", "dev", CLUSTER)


def test_ifupdown(machine: BareMachine, cluster: Network) -> None:
    before = network_of(machine)
    assert setup(machine, "apply", "--interface", CLUSTER, "--confirm-within", WITHIN) > 5
    assert has_address(machine)
    until(lambda: not has_address(machine), BACK_S)
    until(lambda: network_of(machine) == before, BACK_S)
    assert UPLINK_ADDRESS in machine.do("ip", "-brief", "address", "show", "dev", "eth0")

    assert setup(machine, "apply", "--confirm-within", "60") == 3  # what was taken back: guard, file, address
    assert f"{CLUSTER} keeps {ADDRESS}" in confirm(machine)
    assert setup(machine, "apply") == 0
    assert "Nothing waits" in confirm(machine)
    a_node_reaches_the_world(machine, cluster)
    a_node_is_told_the_time(machine, cluster)

    setup(machine, "revert")
    until(lambda: network_of(machine) == before, BACK_S)
    assert machine.do("nft", "list", "tables") == ""
    assert machine.do("cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
    chrony_takes_the_place_of_timesyncd(machine)


def test_networkd_and_a_power_cut_then_network_manager(machine: BareMachine, cluster: Network) -> None:
    machine.path("/etc/systemd/system/no-udev.service").write_text(NO_UDEV)
    machine.do("systemctl", "start", "dbus.socket")
    machine.do("systemctl", "enable", "--now", "--quiet", "no-udev.service", "systemd-networkd.service")
    before = network_of(machine)
    setup(machine, "apply", "--interface", CLUSTER, "--confirm-within", WITHIN)
    until(lambda: "routable" in machine.do("networkctl", "status", "--no-pager", CLUSTER), float(WITHIN))
    machine.power_cut()
    machine.boot()
    until(lambda: network_of(machine) == before, BACK_S)

    setup(machine, "apply", "--confirm-within", "60")
    confirm(machine)
    machine.reboot()
    until(lambda: has_address(machine), BACK_S)
    assert "masquerade" in machine.do("nft", "list", "table", "inet", "grape")
    assert machine.do("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"

    setup(machine, "revert")
    until(lambda: network_of(machine) == before, BACK_S)
    machine.do("systemctl", "disable", "--now", "--quiet", "systemd-networkd.service", "systemd-networkd.socket")
    network_manager(machine, cluster)


def network_manager(machine: BareMachine, cluster: Network) -> None:
    """As on Raspberry Pi OS: the interface is managed and up, by a profile that NetworkManager made up."""
    machine.do(
        "apt-get", "--quiet=2", "--yes", "--no-install-recommends", "install", "network-manager", timeout_s=APT_S
    )
    until(lambda: profile(machine) == "Wired connection 1", BACK_S)
    before = network_of(machine)
    setup(machine, "apply", "--interface", CLUSTER, "--confirm-within", WITHIN)
    assert has_address(machine)
    assert profile(machine) == "grape-cluster"
    until(lambda: network_of(machine) == before, BACK_S)
    until(lambda: profile(machine) == "Wired connection 1", BACK_S)

    setup(machine, "apply", "--confirm-within", "60")
    confirm(machine)
    cluster.set_port(machine.place.name, up=False)  # the switch of a stack that is off
    until(lambda: "LOWER_UP" not in machine.do("ip", "link", "show", "dev", CLUSTER), BACK_S)
    time.sleep(6.0)  # NetworkManager waits for five before it lets go
    assert has_address(machine)
    cluster.set_port(machine.place.name, up=True)
    setup(machine, "revert")
    until(lambda: network_of(machine) == before, BACK_S)


def chrony_takes_the_place_of_timesyncd(machine: BareMachine) -> None:
    install = ("apt-get", "--quiet=2", "--yes", "--no-install-recommends", "install")
    machine.do("apt-get", "--quiet=2", "--yes", "purge", "chrony")
    machine.do(*install, "systemd-timesyncd", timeout_s=APT_S)
    state = "dpkg-query --show --showformat='${Package} ${db:Status-Status}\\n' | grep -E 'chrony|timesyncd';" + (
        "systemctl is-enabled systemd-timesyncd; find /etc ! -type d -exec md5sum {} + | grep -E 'chrony|time' | sort"
    )
    before = machine.do("sh", "-c", state)
    assert setup(machine, "apply", "--interface", CLUSTER, steps="clock_swap") == 1
    machine.do(*install, "--no-remove", "chrony", timeout_s=APT_S)
    machine.do("mv", "/etc/apt/sources.list", "/etc/apt/sources.list.off")  # no archive any more
    setup(machine, "revert")
    assert machine.do("sh", "-c", state) == before


def profile(machine: BareMachine) -> str:
    return machine.attempt("nmcli", "--get-values", "GENERAL.CONNECTION", "device", "show", CLUSTER).stdout.strip()


def a_node_reaches_the_world(machine: BareMachine, cluster: Network) -> None:
    """A packet of a node comes out beyond the uplink, from the master's address."""
    node = cluster.place("node", address="10.77.0.10/24")
    node.do("ip", "route", "add", "default", "via", ADDRESS.partition("/")[0])
    world = machine.uplink.place("world", address=f"{UPLINK_GATEWAY}/24")
    server = world.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client = node.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.closing(server), contextlib.closing(client):
        server.settimeout(60.0)
        server.bind((UPLINK_GATEWAY, 4000))
        client.settimeout(60.0)
        client.sendto(b"question", (UPLINK_GATEWAY, 4000))
        _, seen = server.recvfrom(100)
        assert seen[0] == UPLINK_ADDRESS.partition("/")[0]
        server.sendto(b"answer", seen)
        assert client.recv(100) == b"answer"


def a_node_is_told_the_time(machine: BareMachine, cluster: Network) -> None:
    """Without a server to ask, the master's own clock counts. A container may not set its clock: chronyd is run so."""
    assert "local stratum 10" in machine.do("chronyd", "-p", "-f", "/etc/chrony/chrony.conf")
    with (
        chronyd(machine),
        contextlib.closing(cluster.places["node"].socket(socket.AF_INET, socket.SOCK_DGRAM)) as client,
    ):
        client.settimeout(2.0)
        answer = b""
        deadline = time.monotonic() + 60.0
        while len(answer) < 48 and time.monotonic() < deadline:
            client.sendto(NTP_QUESTION, ("10.77.0.1", 123))
            with contextlib.suppress(TimeoutError):
                answer = client.recv(100)
    assert answer[1] == 10  # stratum
    assert abs(int.from_bytes(answer[40:44], "big") - NTP_UNIX_S - time.time()) < 5


@contextlib.contextmanager
def chronyd(machine: BareMachine) -> Iterator[None]:
    machine.do("chronyd", "-x", "-f", "/etc/chrony/chrony.conf")  # it goes into the background
    try:
        yield
    finally:
        machine.do("sh", "-c", "kill $(cat /run/chrony/chronyd.pid)")
