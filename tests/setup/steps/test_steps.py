"""What each step wants of which machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graped.errors import GrapeError
from master_setup.board import FIRMWARE_LINES, Board
from master_setup.facts import Facts
from master_setup.links import BadNetwork, Evidence, Link, Network
from master_setup.options import Nfs, Options
from master_setup.program import Program
from master_setup.services import Services
from master_setup.settled import settled
from master_setup.steps import (
    STEPS,
    accounts,
    boot,
    clock,
    clock_swap,
    config,
    dnsmasq,
    docker,
    gpio,
    grape_docker,
    nat,
    network,
    nfs,
    program,
    registry,
    swarm,
)
from master_setup.wants import Block, File, Unit, Want
from master_setup.wants.kernel import BootLines, Sysctl
from master_setup.wants.network import Address, Guard

UPLINK = Link(name="eth0", addresses=("192.168.0.2/24",))
CLUSTER = Link(name="eth1")
NETWORK = Network(
    links=(Link(name="lo", loopback=True), UPLINK, CLUSTER, Link(name="wlan0", wireless=True)),
    default_route="eth0",
    evidence=Evidence(network_manager=True),
)
PC = Facts(network=NETWORK, program=Program(name="0.1.0-abc"))
PI4 = replace(
    PC,
    arch="arm64",
    kernel="6.12.25+rpt-rpi-v8",
    board=Board(model="Raspberry Pi 4 Model B", boot_folder="/boot/firmware"),
)
NODES = Options(interface="eth1")
MINE = (boot, clock, clock_swap, dnsmasq, docker, gpio, grape_docker, nat, network, nfs, registry, swarm)


def keys(wants: object) -> list[str]:
    return [want.key for want in wants]  # type: ignore[attr-defined]


def file_of(wants: object, path: str) -> str:
    found = [want for want in wants if isinstance(want, File) and want.path == path]  # type: ignore[attr-defined]
    assert len(found) == 1
    assert isinstance(found[0].content, str)
    return found[0].content


def test_without_an_interface_a_pc_is_left_alone() -> None:
    assert [want for step in MINE for want in step.wants(PC, Options())] == []
    assert [name for step in MINE for name in step.packages(PC, Options())] == []
    assert "With --interface NAME nodes are served there: eth1 would do." in network.notes(PC, Options())[0]


def test_wants_do_not_change_by_what_they_make() -> None:
    """A second apply must not undo the first."""
    done = Network(
        links=(*NETWORK.links[:2], replace(CLUSTER, addresses=("10.77.0.1/24",)), NETWORK.links[3]),
        default_route="eth0",
        evidence=NETWORK.evidence,
        ours=True,
    )
    for step in MINE:
        assert keys(step.wants(PC, NODES)) == keys(step.wants(replace(PC, network=done), NODES))


def test_no_want_is_wanted_twice() -> None:
    options = replace(NODES, docker=True, swarm=True, registry=True, nat=True)
    found = [want.key for step in STEPS for want in step.wants(PI4, options)]
    assert len(found) == len(set(found))


class TestBoot:
    def test_a_pc_has_nothing_to_start_with(self) -> None:
        assert list(boot.wants(PC, NODES)) == list(boot.notes(PC, NODES)) == []

    def test_a_pi(self) -> None:
        lines, modules, load = boot.wants(PI4, NODES)
        assert isinstance(lines, BootLines)
        assert lines.path == "/boot/firmware/config.txt"
        assert lines.text.splitlines()[-1] == "gpio=17,27=ip,np"
        assert file_of([modules], boot.MODULES).endswith("\ni2c-dev\n")
        assert load.key == "command load i2c-dev"

    def test_a_pi_that_has_it_all(self) -> None:
        text = "dtparam=i2c_arm=on\ndtparam=i2c_vc=on\ngpio=17,27=ip\n"
        assert "boot lines" not in str(keys(boot.wants(replace(PI4, board=replace(PI4.board, config=text)), NODES)))

    def test_debian_on_a_pi_takes_lines_from_elsewhere_and_has_the_buses_on(self) -> None:
        lines = boot.wants(replace(PI4, board=replace(PI4.board, hooked=True)), NODES)[0]
        assert isinstance(lines, BootLines)
        assert (lines.path, lines.text, lines.hook) == (FIRMWARE_LINES, "[all]\ngpio=17,27=ip,np", True)

    def test_what_has_to_be_done_by_hand_is_said(self) -> None:
        lost = replace(PI4, board=Board(model=PI4.board.model))
        assert "boot lines" not in str(keys(boot.wants(lost, NODES)))
        assert "put these lines into the one that counts: [all]" in boot.notes(lost, NODES)[0]
        off = replace(PI4, board=replace(PI4.board, config="dtparam=i2c_arm=off"))
        assert boot.notes(off, NODES)[0].startswith("/boot/firmware/config.txt: line 1, dtparam=i2c_arm=off")


class TestGpio:
    def test_a_wheel(self) -> None:
        venv = next(want for want in program.wants(PI4, NODES) if want.key == "venv")
        assert venv.extras == ("rpi-lgpio",)  # type: ignore[attr-defined]
        assert list(gpio.wants(PI4, NODES)) == list(gpio.packages(PI4, NODES)) == []

    def test_debians_package_where_the_kernel_is_old(self) -> None:
        old = replace(PI4, kernel="6.1.21-v8+")
        assert gpio.packages(old, NODES) == ("python3-rpi.gpio",)
        assert gpio.extras(old) == ()
        assert keys(gpio.wants(old, NODES)) == ["link /opt/grape/venvs/0.1.0-abc/lib/python3.11/site-packages/RPi"]

    def test_trixie_of_the_raspberry_pi(self) -> None:
        trixie = replace(PI4, version=13, board=replace(PI4.board, raspberry_os=True))
        assert gpio.packages(trixie, NODES) == ("python3-rpi-lgpio",)
        assert [key.rpartition("/")[2] for key in keys(gpio.wants(trixie, NODES))] == [
            "RPi", "lgpio.py", "_lgpio.cpython-313-aarch64-linux-gnu.so",
        ]  # fmt: skip
        assert list(gpio.notes(trixie, NODES)) == []

    def test_trixie_of_debian_on_a_pi(self) -> None:
        assert list(gpio.packages(replace(PI4, version=13), NODES)) == []
        assert "No package of rpi-lgpio" in gpio.notes(replace(PI4, version=13), NODES)[0]


class TestNetwork:
    def test_network_manager(self) -> None:
        guard, carrier, profile, address = network.wants(PC, NODES)
        assert isinstance(guard, Guard)
        assert isinstance(address, Address)
        assert (guard.within_s, guard.manager, address.address) == (120, "NetworkManager", "10.77.0.1/24")
        assert isinstance(profile, File)
        assert profile.mode == 0o600
        assert "ignore-carrier=yes" in file_of([carrier], "/etc/NetworkManager/conf.d/90-grape.conf")

    @pytest.mark.parametrize(("parts", "kind"), [(True, File), (False, Block)])
    def test_ifupdown(self, parts: bool, kind: type[Want]) -> None:
        facts = replace(PC, network=replace(NETWORK, evidence=Evidence(ifupdown=True), sources_parts=parts))
        assert isinstance(network.wants(facts, NODES)[1], kind)

    def test_an_image_gets_files_and_no_timer(self) -> None:
        facts = replace(PC, booted=False, network=Network(evidence=Evidence(networkd=True)))
        assert keys(network.wants(facts, NODES)) == ["file /etc/systemd/network/05-grape.network"]

    def test_an_address_that_is_there_is_left_alone(self) -> None:
        there = replace(NETWORK, links=(UPLINK, replace(CLUSTER, addresses=("10.77.0.1/24",))))
        facts = replace(PC, network=there)
        assert list(network.wants(facts, NODES)) == []
        assert "left to whoever gave it" in network.notes(facts, NODES)[0]

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (Options(interface="eth7"), "there is no interface eth7"),
            (Options(interface="wlan0"), "wlan0 is no Ethernet"),
            (Options(interface="lo"), "lo is no Ethernet"),
            (Options(interface="eth1", address="10.77.0.1"), "10.77.0.1 is no address"),
            (Options(interface="eth1", address="10.77.0.0/24"), "10.77.0.0/24 is no address"),
            (Options(interface="eth1", address="fd00::1/64"), "fd00::1/64 is no IPv4 address"),
            (Options(interface="eth1", address="192.168.0.1/16"), "is also the network of eth0"),
        ],
    )
    def test_what_cannot_be_is_refused(self, options: Options, told: str) -> None:
        with pytest.raises(BadNetwork, match=told) as caught:
            network.wants(PC, options)
        assert caught.value.hint

    def test_an_interface_that_others_have_set_up_is_refused_with_what_to_do(self) -> None:
        facts = replace(PC, network=replace(NETWORK, evidence=Evidence(ifupdown=True, stanzas=("eth1",))))
        with pytest.raises(BadNetwork, match="says already what eth1 is") as caught:
            network.wants(facts, NODES)
        assert "give eth1 the address 10.77.0.1/24 yourself" in caught.value.hint
        nobody = replace(PC, network=replace(NETWORK, evidence=Evidence(others=("connman",))))
        with pytest.raises(BadNetwork, match="connman manages"):
            network.wants(nobody, NODES)

    def test_the_uplinks_interface_is_taken_only_by_its_name_and_with_a_word(self) -> None:
        said = network.notes(replace(PC, network=replace(NETWORK, ssh="eth0")), Options(interface="eth0"))
        assert [line.partition(":")[0] for line in said] == [
            "eth0 carries the default route", "eth0 carries this SSH session",
        ]  # fmt: skip

    def test_servers_in_the_way(self) -> None:
        facts = replace(PC, network=replace(NETWORK, conflicts=("named", "isc-dhcp-server")))
        said = network.notes(facts, NODES)
        assert "listen-on { ! 10.77.0.1; any; };" in said[0]
        assert "take eth1 out of INTERFACESv4" in said[1]


class TestNat:
    def test_rules_unit_and_forwarding(self) -> None:
        wants = nat.wants(PC, NODES)
        assert 'ip saddr 10.77.0.0/24 oifname "eth0" masquerade' in file_of(wants, "/etc/grape/nat.nft")
        assert wants[2] == Unit(name="grape-nat.service", enabled=True, running=True)
        assert wants[-1] == Sysctl(name="net.ipv4.ip_forward", value="1")
        assert nat.packages(PC, NODES) == ("nftables",)

    def test_not_wanted(self) -> None:
        assert list(nat.wants(PC, replace(NODES, nat=False))) == []

    def test_no_uplink(self) -> None:
        facts = replace(PC, network=replace(NETWORK, default_route=""))
        assert list(nat.wants(facts, NODES)) == []
        assert "No uplink" in nat.notes(facts, NODES)[0]
        with pytest.raises(BadNetwork, match="no uplink for NAT"):
            nat.wants(facts, replace(NODES, nat=True))
        assert nat.notes(PC, replace(NODES, uplink="eth9"))[0].startswith("There is no interface eth9 now")

    def test_one_interface_for_both_needs_no_nat(self) -> None:
        assert list(nat.wants(PC, Options(interface="eth0"))) == []

    def test_nothing_goes_while_a_cable_is_out(self) -> None:
        """What was found at the first apply is recorded, and holds."""
        first = settled(replace(PC, services=Services(nfsd=True)), NODES)
        assert (first.uplink, first.nfs) == ("eth0", Nfs.KERNEL)
        out = replace(PC, network=replace(NETWORK, default_route=""))
        assert settled(out, first) == first
        assert keys(nat.wants(out, first)) == keys(nat.wants(PC, NODES))
        assert settled(PC, Options()) == Options()
        assert settled(PC, replace(first, interface="eth0")).uplink == "eth0"
        assert network.uplink(PC, Options(interface="eth0", uplink="eth0")) == ""

    def test_firewalls_are_told(self) -> None:
        facts = replace(PC, network=replace(NETWORK, firewalls=("ufw",)))
        assert nat.notes(facts, NODES) == [
            "ufw is on and has to be told: ufw allow in on eth1; ufw route allow in on eth1 out on eth0"
        ]


class TestServers:
    def test_the_systems_dnsmasq(self) -> None:
        assert list(dnsmasq.wants(PC, NODES)) == []
        facts = replace(PC, services=Services(dnsmasq=True))
        text = file_of(dnsmasq.wants(facts, NODES), dnsmasq.PATH)
        assert text.splitlines()[1:] == ["except-interface=eth1", "bind-interfaces"]
        assert "bind-interfaces" not in dnsmasq.text("eth1", dynamic=True)

    @pytest.mark.parametrize(
        ("asked", "nfsd", "server", "package"),
        [
            (Nfs.AUTO, True, Nfs.KERNEL, "nfs-kernel-server"),
            (Nfs.AUTO, False, Nfs.GANESHA, "nfs-ganesha"),
            (Nfs.GANESHA, True, Nfs.GANESHA, "nfs-ganesha"),
        ],
    )
    def test_nfs(self, asked: Nfs, nfsd: bool, server: Nfs, package: str) -> None:
        facts, options = replace(PC, services=Services(nfsd=nfsd)), replace(NODES, nfs=asked)
        assert nfs.server(facts, options) is server
        assert nfs.packages(facts, options)[0] == package
        assert keys(nfs.wants(facts, options))[-1].startswith("quiet nfs-")
        assert f'nfs = "{server}"' in config.drop_in(facts, options)

    def test_the_kernels_nfs_serves_the_cluster_alone(self) -> None:
        facts = replace(PC, services=Services(nfsd=True))
        assert "\nhost = 10.77.0.1\n" in file_of(nfs.wants(facts, NODES), nfs.CONFIG)
        others = replace(PC, services=Services(nfsd=True, exports=True))
        assert not {"quiet nfs-server.service", f"file {nfs.CONFIG}"} & set(keys(nfs.wants(others, NODES)))
        assert "exports folders of its own" in nfs.notes(others, NODES)[0]
        with pytest.raises(GrapeError, match="no NFS server"):
            nfs.wants(PC, replace(NODES, nfs=Nfs.KERNEL))

    def test_the_clock(self) -> None:
        assert "\nallow 10.77.0.0/24\n" in file_of(clock.wants(PC, NODES), clock.PATH)
        assert keys(clock_swap.wants(PC, NODES)) == ["package systemd-timesyncd"]
        assert list(clock_swap.wants(PC, replace(NODES, packages=False))) == []
        others = replace(PC, services=Services(clock="ntpsec"))
        assert list(clock.wants(others, NODES)) == list(clock_swap.wants(others, NODES)) == []
        assert clock.notes(others, NODES) == ["ntpsec keeps the time here, and stays: have it answer 10.77.0.0/24."]
        container = replace(PC, services=Services(may_set_clock=False))
        assert clock.wants(container, NODES)[1] == Unit(name="chrony.service", enabled=True)

    def test_docker(self) -> None:
        assert docker.packages(PC, Options(docker=True)) == ("docker.io",)
        assert docker.packages(replace(PC, version=13), Options(docker=True)) == ("docker.io", "docker-cli")
        assert list(docker.packages(replace(PC, services=Services(docker_ce=True)), Options(docker=True))) == []
        assert keys(docker.wants(PC, Options(docker=True))) == ["unit docker.service"]
        for options in (Options(swarm=True), Options(registry=True)):
            assert keys(docker.wants(PC, options)) == ["unit docker.service"]
            assert docker.packages(PC, options) == ("docker.io",)

    def test_a_swarm(self) -> None:
        daemon = [f"{kind} grape_docker.service" for kind in ("unit", "together", "current")]
        wanted = replace(NODES, swarm=True)
        assert keys(swarm.wants(PC, wanted)) == ["swarm"]
        assert keys(grape_docker.wants(PC, wanted)) == daemon
        assert list(swarm.wants(replace(PC, booted=False), wanted)) == []
        for step in (swarm, grape_docker):
            assert list(step.wants(PC, replace(NODES, docker=True))) == []
        with pytest.raises(GrapeError, match="needs a network"):
            swarm.wants(PC, Options(swarm=True))

    def test_a_registry(self) -> None:
        options = replace(NODES, registry=True)
        assert registry.packages(PC, options) == ("docker-registry",)
        assert keys(registry.wants(replace(PC, registry_port=5001), options)) == [
            "quiet docker-registry.service",
            "unit grape-registry.service",
            "together grape-registry.service",
            "link /etc/docker/certs.d/10.77.0.1:5001/ca.crt",
            "mirror https://10.77.0.1:5001",
        ]
        assert "[docker]\nregistry = true\n" in config.drop_in(PC, options)
        assert "[docker]" not in config.drop_in(PC, NODES)
        with pytest.raises(GrapeError, match="needs a network"):
            registry.wants(PC, Options(registry=True))

    def test_the_user_of_both(self) -> None:
        assert "user grape-docker" not in keys(accounts.wants(PC, replace(NODES, docker=True)))
        for options in (replace(NODES, swarm=True), replace(NODES, registry=True)):
            assert keys(accounts.wants(PC, options))[-2:] == ["group grape-docker", "user grape-docker"]

    def test_keys_are_what_nodes_accept(self) -> None:
        text = config.drop_in(PC, replace(NODES, keys=("ssh-ed25519 AAAA mary@laptop",)))
        assert '[ssh]\nauthorized_keys = [\n    "ssh-ed25519 AAAA mary@laptop",\n]' in text
