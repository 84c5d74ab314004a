"""Where nodes send what they say: in the command line of each, and nothing of one node in an image."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from graped.config.types import Config, Netboot
from graped.netboot.console import Receiver, kernel_words, receiver_of
from graped.netboot.images import saying
from graped.netboot.images.edits import carry_out, plan
from graped.netboot.images.tree import Tree
from graped.netboot.tftp import BootFolder, boot_files
from tests.netboot import plans

RECEIVER = Receiver(address=IPv4Address("10.77.0.1"), syslog_port=514, netconsole_port=6666)
ON = Config(netboot=Netboot(active=True, interface="eth1", address=IPv4Interface("10.77.0.1/24")))


def test_the_words_name_the_master_and_the_node() -> None:
    """Source: Linux, Documentation/networking/netconsole.rst: [+][src-port]@[src-ip]/[dev],[tgt-port]@tgt-ip/[mac]."""
    assert kernel_words(RECEIVER, IPv4Address("10.77.0.12")) == (
        "grape.console=10.77.0.1:514:6666",
        "netconsole=+6665@10.77.0.12/eth0,6666@10.77.0.1/",
        "log_buf_len=1M",
    )


@pytest.mark.parametrize(("change", "there"), [({}, True), ({"console": False}, False), ({"active": False}, False)])
def test_graped_listens_where_it_netboots_and_is_to(change: dict[str, bool], there: bool) -> None:
    config = replace(ON, netboot=replace(ON.netboot, **change))  # type: ignore[arg-type]
    assert receiver_of(config) == (RECEIVER if there else None)


@pytest.mark.parametrize("receiver", [RECEIVER, None])
def test_each_node_is_told_in_its_own_command_line(receiver: Receiver | None) -> None:
    boot = BootFolder(path=Path("/boot"), files={"kernel8.img": Path("/boot/kernel8.img")}, cmdline="quiet\n")
    node = plans.node(2)
    layout = plans.plan(node, receiver=receiver, kernel_args="mine=1")
    words = boot_files(layout, node, boot, Path("/srv/netboot/root")).files["cmdline.txt"].split()
    told = [word for word in words if "console=" in word or word.startswith("log_buf_len=")]
    assert told == (list(kernel_words(RECEIVER, node.address)) if receiver else [])
    assert words[-1] == "mine=1"  # the user has the last word


def test_an_image_gets_a_unit_and_nothing_of_a_node(tmp_path: Path) -> None:
    systemd = tmp_path / "usr/lib/systemd/systemd"
    systemd.parent.mkdir(parents=True)
    systemd.touch()
    tree = Tree(tmp_path)
    carry_out(tree, [saying.console])
    unit = (tmp_path / saying.UNIT).read_text()
    assert "ConditionKernelCommandLine=grape.console\n" in unit
    assert f"ExecStart=/bin/bash /{saying.PROGRAM}\n" in unit
    assert (tmp_path / saying.WANTED_BY).readlink() == Path("/") / saying.UNIT
    assert "10.77" not in unit + (tmp_path / saying.PROGRAM).read_text()
    assert plan(Tree(tmp_path), [saying.console]) == ()  # done


def test_a_system_without_systemd_is_left_alone(tmp_path: Path) -> None:
    assert plan(Tree(tmp_path), [saying.console]) == ()
