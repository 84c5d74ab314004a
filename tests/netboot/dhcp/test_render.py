"""What dnsmasq is told: every plan is one that dnsmasq itself takes, and nodes come and go outside the main file."""

from __future__ import annotations

import re
import shutil
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.config.types import Model
from graped.errors import ServerError
from graped.netboot.dhcp import render
from graped.netboot.plan import NodePlan
from graped.runner import SubprocessRunner
from tests.netboot.plans import node, plan, pxe

DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def test_the_whole_main_file() -> None:
    assert render.main_config(plan(node(0))).splitlines() == [
        "# Written by graped for its own dnsmasq. Changes are lost.",
        "interface=eth0",
        "except-interface=lo",
        "bind-interfaces",
        "user=dnsmasq",
        "group=nogroup",
        "pid-file=",
        "log-facility=/var/lib/grape/netboot/dnsmasq/log",
        "log-dhcp",
        "no-hosts",
        "hostsdir=/var/lib/grape/netboot/dnsmasq/names",
        "domain=grape,10.77.0.0/24",
        "local=/grape/",
        "expand-hosts",
        "domain-needed",
        "bogus-priv",
        "cache-size=1000",
        "dhcp-range=10.77.0.0,static,255.255.255.0,infinite",
        "dhcp-hostsdir=/var/lib/grape/netboot/dnsmasq/hosts",
        "dhcp-leasefile=/var/lib/grape/netboot/dnsmasq/leases",
        "dhcp-ignore=tag:!known",
        "dhcp-authoritative",
        "dhcp-ignore-clid",
        "dhcp-ignore-names",
        "dhcp-option=option:router,10.77.0.1",
        "dhcp-option=option:dns-server,10.77.0.1",
        "dhcp-option=option:ntp-server,10.77.0.1",
        "dhcp-option=option:domain-search,grape",
        "dhcp-match=set:rpi3b,97,00:44:44:44:44:44:44:44:44:44:44:44:44:44:44:44:44",
        "dhcp-match=set:rpi4,97,00:52:50:69:34",
        "dhcp-match=set:rpi5,97,00:52:50:69:35",
        "dhcp-match=set:rpi,97,00:52:50:69",
        "tag-if=set:rpi,tag:rpi3b",
        "dhcp-mac=set:rpi,b8:27:eb:*:*:*",
        "dhcp-mac=set:rpi,dc:a6:32:*:*:*",
        "dhcp-mac=set:rpi,e4:5f:01:*:*:*",
        "dhcp-mac=set:rpi,d8:3a:dd:*:*:*",
        "dhcp-mac=set:rpi,28:cd:c1:*:*:*",
        "dhcp-mac=set:rpi,2c:cf:67:*:*:*",
        "dhcp-mac=set:rpi,88:a2:9e:*:*:*",
        "dhcp-match=set:bios,option:client-arch,0",
        "dhcp-match=set:efi64,option:client-arch,7",
        "dhcp-match=set:efi64,option:client-arch,9",
        "dhcp-userclass=set:ipxe,iPXE",
        "tag-if=set:pi,tag:rpi,tag:!pc,tag:!ipxe",
        "dhcp-reply-delay=tag:rpi3b,1",
        'pxe-service=tag:pi,0,"Raspberry Pi Boot   "',
        "dhcp-boot=tag:ipxe,boot.ipxe",
        "dhcp-boot=tag:bios,tag:!ipxe,tag:!pi,undionly.kpxe",
        "dhcp-boot=tag:efi64,tag:!ipxe,tag:!pi,snponly.efi",
        "enable-tftp",
        "tftp-no-fail",
        "tftp-root=/var/lib/grape/netboot/tftp",
        "tftp-unique-root=mac",
        "tftp-max=150",
    ]


def test_a_reservation_and_a_name_for_each_node() -> None:
    told = plan(node(0), pxe(7, name="Big-One"))
    assert render.host_files(told) == {
        "worker-0-0": "b8:27:eb:00:00:01,10.77.0.10,worker-0-0,infinite\n",
        "Big-One": "52:54:00:00:01:08,10.77.0.17,Big-One,infinite\n",
    }
    assert set(render.host_files(told, {"Big-One"})) == {"worker-0-0"}
    assert render.name_files(told) == {
        "master": "10.77.0.1 master\n",
        "worker-0-0": "10.77.0.10 worker-0-0\n",
        "Big-One": "10.77.0.17 Big-One\n",
    }


def test_a_node_may_be_called_as_the_master_is_by_default() -> None:
    assert render.name_files(plan(node(0, name="master")))["master"] == "10.77.0.10 master\n"


def test_only_a_machine_with_the_chip_of_another_maker_stands_in_the_main_file() -> None:
    usual = render.main_config(plan())
    assert render.main_config(plan(node(0), pxe(1), node(2, model=Model.PI3BPLUS), node(3, model=Model.PI5))) == usual
    odd = plan(
        node(0, mac="52:54:00:00:00:01", model=Model.PI3BPLUS), node(1, mac="b8:27:eb:00:00:02", model=Model.PXE)
    )
    new = set(render.main_config(odd).splitlines()) - set(usual.splitlines())
    assert new == {"dhcp-mac=set:rpi,52:54:00:00:00:01", "dhcp-mac=set:pc,b8:27:eb:00:00:02"}


@pytest.mark.parametrize("folder", ["/srv/a b", "/srv/a,b", "/srv/a#b", '/srv/a"b', "/srv/a\nport=0", "relative"])
def test_a_folder_that_would_be_read_as_something_else_is_refused(folder: str) -> None:
    with pytest.raises(ServerError, match="character"):
        render.main_config(plan(folder=Path(folder)))


names = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
models = st.sampled_from([None, *Model])


@st.composite
def nodes(draw: st.DrawFn) -> list[NodePlan]:
    numbers = draw(st.lists(st.integers(0, 95), unique=True, max_size=12))
    chosen = draw(st.lists(names, unique=True, min_size=len(numbers), max_size=len(numbers)))
    makers = st.sampled_from(["b8:27:eb", "52:54:00", "2c:cf:67"])
    return [
        node(number, name=name, mac=f"{draw(makers)}:00:00:{number:02x}", model=draw(models))
        for number, name in zip(numbers, chosen, strict=True)
    ]


@given(nodes())
def test_no_host_line_has_a_tag(given_nodes: list[NodePlan]) -> None:
    """dnsmasq 2.90 dies at the next SIGHUP of one."""
    for line in render.host_files(plan(*given_nodes)).values():
        assert re.fullmatch(r"[0-9a-f:]{17},[0-9.]+,[a-z0-9-]+,infinite\n", line)


@pytest.mark.skipif(DNSMASQ is None, reason="needs dnsmasq-base")
@given(nodes())
@settings(max_examples=25, deadline=None)
def test_dnsmasq_takes_every_plan(given_nodes: list[NodePlan]) -> None:
    told = plan(*given_nodes, dns=(IPv4Address("10.77.0.1"), IPv4Address("9.9.9.9")), ntp=(IPv4Address("10.77.0.2"),))
    assert _test(render.candidate(render.main_config(told, user="root", group="root"), render.host_files(told))) == 0


@pytest.mark.skipif(DNSMASQ is None, reason="needs dnsmasq-base")
def test_dnsmasq_refuses_what_it_would_not_serve() -> None:
    twice = plan(node(0), node(1, address=IPv4Address("10.77.0.10")))
    assert _test(render.candidate(render.main_config(twice, user="root", group="root"), render.host_files(twice))) == 1


def _test(text: str) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        argv = (str(DNSMASQ), "--test", f"--conf-file={file.name}")
        return SubprocessRunner().run(argv, timeout_s=10, expect=frozenset({0, 1})).code
