"""What preparing changes, seen on a root like that of a Raspberry Pi OS; no rights needed."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.blocks import with_block
from graped.netboot.images import shared, system
from graped.netboot.images.edits import carry_out, plan
from graped.netboot.images.mounts import netboot_fstab
from graped.netboot.images.network import DHCPCD_LINES, hands_off
from graped.netboot.images.tree import Tree
from graped.netboot.roots.volumes import volume_fstab
from tests.netboot.images.tiny import enable, link, raspberry_root, tiny_root, write

STEPS = (*shared.STEPS, *system.STEPS)
WANTS = "etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return raspberry_root(tmp_path / "root")


@pytest.fixture
def prepared(root: Path) -> Path:
    carry_out(Tree(root), STEPS)
    return root


def text(root: Path, name: str) -> str:
    return (root / name).read_text()


def test_a_prepared_tree_needs_nothing_more(prepared: Path) -> None:
    assert plan(Tree(prepared), STEPS) == ()


def test_an_sd_card_is_not_looked_for(prepared: Path) -> None:
    fstab = text(prepared, "etc/fstab")
    assert "PARTUUID" not in fstab
    assert fstab.splitlines()[0].split()[:2] == ["proc", "/proc"]
    assert fstab.splitlines()[-1].startswith("# a swapfile")
    assert not (prepared / "var/swap").exists()


def test_ssh_is_started_once(prepared: Path) -> None:
    assert os.readlink(prepared / WANTS / "ssh.service") == "/usr/lib/systemd/system/ssh.service"


def test_an_ssh_socket_is_left_as_it_is(root: Path) -> None:
    enable(root, "ssh.socket", "sockets.target")
    carry_out(Tree(root), STEPS)
    assert not os.path.lexists(root / WANTS / "ssh.service")


def test_a_masked_ssh_is_unmasked(root: Path) -> None:
    link(root, "etc/systemd/system/ssh.service", "/dev/null")
    carry_out(Tree(root), STEPS)
    assert not os.path.lexists(root / "etc/systemd/system/ssh.service")
    assert os.path.lexists(root / WANTS / "ssh.service")


def test_the_first_boot_asks_nothing_and_makes_no_keys(prepared: Path) -> None:
    for unit in ("userconfig.service", "dphys-swapfile.service", "resize2fs_once.service"):
        assert os.readlink(prepared / "etc/systemd/system" / unit) == "/dev/null"
    assert not os.path.lexists(prepared / "etc/systemd/system/rpi-resize.service"), "it is not installed"
    assert not os.path.lexists(prepared / "etc/rc3.d/S01resize2fs_once")
    assert not (prepared / "etc/ssh/sshd_config.d/rename_user.conf").exists()
    assert text(prepared, "etc/lightdm/lightdm.conf") == "[Seat:*]\n#autologin-user=\n"
    getty = prepared / "etc/systemd/system/getty.target.wants/getty@tty1.service"
    assert os.readlink(getty) == "/usr/lib/systemd/system/getty@.service"


def test_cloud_init_is_off_where_it_is(root: Path) -> None:
    (root / "etc/cloud").mkdir()
    carry_out(Tree(root), STEPS)
    assert (root / "etc/cloud/cloud-init.disabled").exists()


def test_what_tells_machines_apart_is_gone(prepared: Path) -> None:
    assert sorted(path.name for path in (prepared / "etc/ssh").iterdir()) == ["sshd_config", "sshd_config.d"]
    assert text(prepared, "etc/machine-id") == ""
    assert os.readlink(prepared / "var/lib/dbus/machine-id") == "/etc/machine-id"
    assert not (prepared / "var/lib/NetworkManager/secret_key").exists()


def test_the_clock_is_set(prepared: Path, tmp_path: Path) -> None:
    wants = "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service"
    assert os.path.lexists(prepared / wants)
    other = raspberry_root(tmp_path / "other")
    write(other, "usr/lib/systemd/system/chrony.service", "[Unit]\n")
    carry_out(Tree(other), STEPS)
    assert not os.path.lexists(other / wants)


def test_nobody_configures_the_interface_of_the_root(prepared: Path) -> None:
    assert text(prepared, "etc/network/interfaces").splitlines()[0] == "auto lo"
    lines = text(prepared, "etc/dhcpcd.conf").splitlines()
    assert lines[:3] == [*DHCPCD_LINES]
    assert lines[3:] == ["hostname", "persistent"]
    assert os.readlink(prepared / "etc/resolv.conf") == "/run/grape/resolv.conf"
    generator = prepared / "usr/lib/systemd/system-generators/grape-netboot"
    assert generator.stat().st_mode & 0o777 == 0o755


def test_systemd_resolved_keeps_its_file(root: Path) -> None:
    (root / "etc/resolv.conf").unlink()
    link(root, "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    carry_out(Tree(root), STEPS)
    assert os.readlink(root / "etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf"


@pytest.mark.skipif(os.geteuid() != 0, reason="sets a file capability: needs root")
def test_capabilities_become_setuid_where_listed(root: Path) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep, capabilities(7)
    for name in ("ping", "other"):
        write(root, f"usr/bin/{name}", "", 0o755)
        os.setxattr(root / "usr/bin" / name, "security.capability", capability)
    write(root, "usr/bin/fping", "", 0o755)
    carry_out(Tree(root), STEPS)
    modes = {name: (root / "usr/bin" / name).stat().st_mode & 0o7777 for name in ("ping", "other", "fping")}
    assert modes == {"ping": 0o4755, "other": 0o755, "fping": 0o755}
    assert plan(Tree(root), STEPS) == ()


def test_what_a_node_was_given_is_taken_out_and_the_rest_stays(root: Path) -> None:
    write(root, "etc/fstab", with_block("proc /proc proc defaults 0 0\n", ["10.0.0.1:/v /srv/grape/volume nfs"]))
    write(root, "etc/hosts", with_block("127.0.0.1\tlocalhost\n", ["127.0.1.1\tworker-0-1"]))
    write(root, "root/.ssh/authorized_keys", with_block("", ["ssh-ed25519 AAAA grape"]))
    write(root, "etc/systemd/timesyncd.conf.d/grape.conf", "[Time]\n")
    write(root, shared.POLICY, shared.POLICY_TEXT)
    carry_out(Tree(root), shared.STEPS)
    assert text(root, "etc/fstab") == "proc /proc proc defaults 0 0\n"
    assert text(root, "etc/hosts") == "127.0.0.1\tlocalhost\n"
    for name in ("root/.ssh/authorized_keys", "etc/systemd/timesyncd.conf.d/grape.conf", shared.POLICY):
        assert not (root / name).exists(), name


def test_files_without_lines_of_grapes_are_left_alone(root: Path) -> None:
    write(root, "etc/hosts", "no end of line")
    write(root, "root/.ssh/authorized_keys", "ssh-ed25519 AAAA mine\n")
    write(root, shared.POLICY, "#!/bin/sh\nexit 0\n")
    carry_out(Tree(root), shared.STEPS)
    assert text(root, "etc/hosts") == "no end of line"
    assert text(root, "root/.ssh/authorized_keys") == "ssh-ed25519 AAAA mine\n"
    assert (root / shared.POLICY).exists()


def test_a_minimal_system_is_prepared_and_what_it_lacks_is_told(tmp_path: Path) -> None:
    tree = Tree(tiny_root(tmp_path / "tiny"))
    carry_out(tree, STEPS)
    assert plan(tree, STEPS) == ()
    assert system.shortcomings(tree) == ("no SSH server: nodes will not be seen as up",)
    assert system.shortcomings(Tree(raspberry_root(tmp_path / "pi"))) == ()


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("tmpfs /tmp tmpfs defaults 0 0", True),
        ("10.0.0.1:/home /home nfs vers=3 0 0", True),
        ("UUID=1 /data ext4 defaults 0 0", False),
        ("UUID=1 /data ext4 defaults,nofail 0 0", True),
        ("LABEL=RASPIROOT / ext4 rw 0 1", False),
        ("LABEL=RASPIFIRM /boot/firmware vfat rw 0 2", False),
        ("/dev/mmcblk0p3 /data ext4 nofail 0 0", False),
        ("PARTUUID=1-3 /data ext4 nofail 0 0", False),
        ("/swapfile none swap sw 0 0", False),
        ("# UUID=1 / ext4", True),
        ("", True),
    ],
)
def test_which_mounts_stay(line: str, stays: bool) -> None:
    assert netboot_fstab(f"{line}\n") == (f"{line}\n" if stays else "")


@given(st.text())
def test_any_fstab_and_interfaces_is_taken_and_only_once(any_text: str) -> None:
    for change in (netboot_fstab, hands_off):
        once = change(any_text)
        assert change(once) == once


@pytest.mark.parametrize(
    ("line", "then"),
    [
        ("auto eth0", "# grape: auto eth0"),
        ("  allow-hotplug enp1s0 wlan0", "allow-hotplug wlan0"),
        ("auto lo", "auto lo"),
        ("iface eth0 inet dhcp", "iface eth0 inet dhcp"),
        ("source interfaces.d/*", "source interfaces.d/*"),
    ],
)
def test_what_ifupdown_starts(line: str, then: str) -> None:
    assert hands_off(line) == f"{then}\n"


def test_lines_for_a_nodes_volume_stay_and_find_their_place(prepared: Path) -> None:
    lines = volume_fstab(IPv4Address("10.77.0.1"), Path("/var/lib/grape/netboot/volumes/worker-0-1"))
    text = "".join(f"{line}\n" for line in lines)
    assert netboot_fstab(text) == text
    assert all((prepared / line.split()[1].lstrip("/")).is_dir() for line in lines)
