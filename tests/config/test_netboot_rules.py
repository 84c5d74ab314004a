"""The network of the nodes: what netbooting needs, addresses, words, keys."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from graped.config.addresses import address_of
from graped.config.types import Boot, Model, Strategy
from graped.model import SlotId
from graped.netboot.plan import plan

from .rig import MAC, OTHER_MAC, PUBLIC_KEY, accept, only, problems

ACTIVE = "[netboot]\nactive = true\ninterface = 'eth1'\naddress = '10.77.0.1/24'\nimage = 'bookworm'\n"
NODE = f"[cluster.stacks.0.devices.0]\nmac = '{MAC}'\n"
LOCAL = "[cluster.stacks.0.devices.1]\nboot = 'local'\n"
DEVICE = "cluster.stacks.0.devices.0"


def test_a_netbooting_rack_is_read_and_planned(tmp_path: Path) -> None:
    more = "address = '10.77.0.200'\nmodel = '3b+'\nserial = '9FFEFDEF'\nstrategy = 'copy'\nimage = 'trixie@3f9c2a'"
    loaded = accept(tmp_path, ACTIVE + NODE + more, b=f"[cluster.stacks.2.devices.5]\nmac = '{OTHER_MAC}'")
    assert loaded.warnings == ()
    one, other = plan(loaded.config).nodes
    assert (one.address, one.model, one.serial) == (IPv4Address("10.77.0.200"), Model.PI3BPLUS, "9ffefdef")
    assert (one.image, one.strategy) == ("trixie@3f9c2a", Strategy.COPY)
    assert (other.address, other.image) == (IPv4Address("10.77.0.27"), "bookworm")
    assert plan(loaded.config).master == IPv4Interface("10.77.0.1/24")


@pytest.mark.parametrize("missing", ["interface", "address"])
def test_netbooting_needs_its_interface_and_address(tmp_path: Path, missing: str) -> None:
    text = "\n".join(line for line in ACTIVE.splitlines() if not line.startswith(missing))
    problem = only(tmp_path, f"{text}\n{NODE}")
    assert problem.key == f"netboot.{missing}"
    assert "because netboot.active is true" in problem.expected
    accept(tmp_path, f"{text}\n{NODE}".replace("active = true", "active = false"))


@pytest.mark.parametrize("key", ["interface", "address"])
def test_a_wrong_value_is_not_also_missing(tmp_path: Path, key: str) -> None:
    text = "\n".join(f"{key} = 'a b'" if line.startswith(key) else line for line in ACTIVE.splitlines())
    assert only(tmp_path, f"{text}\n{NODE}").key == f"netboot.{key}"


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.77.0.1", "another address than the master's"),
        ("10.77.0.0", "the address of a host in 10.77.0.0/24"),
        ("10.77.0.255", "the address of a host in 10.77.0.0/24"),
        ("10.78.0.9", "the address of a host in 10.77.0.0/24"),
        ("10.77.0.300", "an IPv4 address of one host, such as 10.77.0.15"),
        ("224.0.0.1", "an IPv4 address of one host, such as 10.77.0.15"),
        ("10.77.0.9/24", "an IPv4 address of one host, such as 10.77.0.15"),
    ],
)
def test_a_node_has_the_address_of_a_host_in_the_network(tmp_path: Path, address: str, expected: str) -> None:
    problem = only(tmp_path, ACTIVE + NODE + f"address = '{address}'")
    assert (problem.key, problem.expected) == (f"{DEVICE}.address", expected)


def test_an_address_twice_is_told_at_the_later_one(tmp_path: Path) -> None:
    text = (
        ACTIVE + NODE + "address = '10.77.0.99'\n[cluster.stacks.0.devices.1]\naddress = '10.77.0.99'\nboot = 'local'"
    )
    problem = only(tmp_path, text)
    assert problem.key == "cluster.stacks.0.devices.1.address"
    assert problem.expected == f"an address of its own, not that of {DEVICE}.address"


def test_an_address_that_another_node_has_by_its_place_is_told(tmp_path: Path) -> None:
    text = f"{ACTIVE}{NODE}address = '10.77.0.11'\n{LOCAL}"
    problem = only(tmp_path, text)
    assert problem.key == f"{DEVICE}.address"
    assert "cluster.stacks.0.devices.1.address (by default)" in problem.expected


def test_duplicates_are_judged_after_the_merge(tmp_path: Path) -> None:
    text = (
        ACTIVE + NODE + "address = '10.77.0.99'\n[cluster.stacks.0.devices.1]\naddress = '10.77.0.99'\nboot = 'local'"
    )
    accept(tmp_path, text, later="cluster.stacks.0.devices.1.address = '10.77.0.98'")


@pytest.mark.parametrize(
    ("network", "first", "words"),
    [
        ("10.77.0.1/28", 10, "leaves room for worker-0-5 in 10.77.0.0/28"),
        ("10.77.0.1/29", 2, "leaves room for worker-0-5 in 10.77.0.0/29"),  # it would be the broadcast address
        ("10.77.0.12/24", 10, "worker-0-2 would have the master's address 10.77.0.12"),
        ("10.77.0.1/24", 60_000, "leaves room for worker-0-0"),
    ],
)
def test_the_network_has_room_for_every_node(tmp_path: Path, network: str, first: int, words: str) -> None:
    nodes = "".join(f"[cluster.stacks.0.devices.{slot}]\nboot = 'local'\n" for slot in range(6))
    text = ACTIVE.replace("10.77.0.1/24", network) + f"first_host = {first}\n" + nodes
    problem = only(tmp_path, text)
    assert problem.key == "netboot.first_host"
    assert words in problem.expected


@pytest.mark.parametrize("address", ["10.77.0.1", "10.77.0.1/30", "10.77.0.0/24", "10.77.0.255/24", "127.0.0.1/8", "x"])
def test_the_master_is_a_host_in_a_network_with_room(tmp_path: Path, address: str) -> None:
    assert only(tmp_path, ACTIVE.replace("10.77.0.1/24", address)).key == "netboot.address"


def test_a_slot_beyond_5_has_no_address_by_its_place(tmp_path: Path) -> None:
    text = f"[cluster.stacks.1]\ndriver = 'gpio_relay'\noptions = {{ pin = 5, slots = [7] }}\ndevices.7.mac = '{MAC}'\n"
    loaded = accept(tmp_path, text + ACTIVE)
    assert address_of(loaded.config, SlotId(1, 7)) is None
    assert "devices.7: not netbooted: only slots 0 to 5" in loaded.warnings[0]
    assert plan(loaded.config).nodes == ()


def test_a_serial_twice_is_told(tmp_path: Path) -> None:
    text = (
        ACTIVE + NODE + f"serial = '9ffefdef'\n[cluster.stacks.0.devices.1]\nmac = '{OTHER_MAC}'\nserial = '9FFEFDEF'"
    )
    assert only(tmp_path, text).key == "cluster.stacks.0.devices.1.serial"


# --- warnings -------------------------------------------------------------------------------------------


def test_a_node_that_netboots_needs_a_mac_and_an_image(tmp_path: Path) -> None:
    nodes = "[cluster.stacks.0.devices]\n0 = {}\n1 = { boot = 'local' }\n" + "".join(
        f"{slot} = {{ mac = '02:00:00:00:00:0{slot}' }}\n" for slot in (2, 3, 4)
    )
    loaded = accept(tmp_path, ACTIVE.replace("image = 'bookworm'", "") + nodes)
    path = tmp_path / "config.toml"
    assert loaded.warnings == (
        f"{path}: {DEVICE}: not netbooted: it has no mac",
        f"{path}: netboot.image: no image for worker-0-2 and 2 more: set one here or by grapecli node set --image",
    )
    assert accept(tmp_path, nodes).warnings == ()  # nobody netboots


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        (f"{NODE}strategy = 'overlai'", f"{DEVICE}.strategy", "overlay"),
        (f"{NODE}model = '3b +'", f"{DEVICE}.model", "3b+"),
        (f"{NODE}model = 4", f"{DEVICE}.model", "4"),
        (f"{NODE}boot = 'locl'", f"{DEVICE}.boot", "local"),
        ("[netboot]\nstrategy = 'btrfs2'", "netboot.strategy", "btrfs"),
        ("[netboot]\nsupervisor = 'sysd'", "netboot.supervisor", "systemd"),
        ("[netboot]\nnfs = 'knl'", "netboot.nfs", "kernel"),
        ("[netboot]\nboot_dirs = '/x'", "netboot.boot_dirs", ""),
        ("[netboot.deadlines]\ndhcp = 3", "netboot.deadlines.dhcp", "dhcp_s"),
    ],
)
def test_a_wrong_word_tells_the_nearest(tmp_path: Path, text: str, key: str, nearest: str) -> None:
    problem = only(tmp_path, text)
    assert (problem.key, problem.nearest) == (key, nearest)


@pytest.mark.parametrize(
    "text",
    [
        "folder = 'netboot'",
        "folder = '/srv/net boot'",
        "folder = '/srv/../etc'",
        "folder = '/'",
        "folder = '/srv/a,b'",
        "interface = 'eth*'",
        "interface = '../eth0'",
        "interface = 'a-name-too-long-for-it'",
        "image = '../etc'",
        "image = 'bookworm@xyz'",
        "domain = 'a..b'",
        "dns = '10.77.0.1'",
        "dns = ['10.77.0.1', 'ns']",
        'kernel_args = "quiet\\nroot"',
        "kernel_args = 'quiet \u00e4'",
        "kernel_args = 'quiet root=/dev/sda1'",
        "kernel_args = 'ip=off'",
        'config_txt = ["a=1\\nb=2"]',
        f"config_txt = ['{'x' * 99}']",
        "config_txt = 'a=1'",
        "tftp_max = 0",
        "console = 'yes'",
        "syslog_port = 0",
        "netconsole_port = 514",  # that of syslog
        "docker_gb = -1",
        "prepare.files = { 'etc/motd' = '/root/motd' }",
        "prepare.files = { '/etc/../../motd' = '/root/motd' }",
        "prepare.files = { '/etc/motd' = 'motd' }",
        "prepare.scripts = ['run.sh']",
        "deadlines.tftp_s = 0",
        "deadlines = 5",
    ],
)
def test_what_would_break_a_file_or_a_path_is_refused(tmp_path: Path, text: str) -> None:
    assert only(tmp_path, f"[netboot]\n{text}\n").key.split(".")[1] == text.split()[0].split(".")[0]


def test_a_wrong_table_in_a_table_keeps_its_defaults_for_the_rules(tmp_path: Path) -> None:
    found = problems(tmp_path, "[netboot]\nactive = true\ndeadlines = { dhcp_s = 'x' }\n")
    assert {problem.key for problem in found} == {
        "netboot.deadlines.dhcp_s",
        "netboot.interface",
        "netboot.address",
    }


def test_words_that_look_like_ours_are_others(tmp_path: Path) -> None:
    text = "[netboot]\nkernel_args = 'rootwait rootflags=x zip=5 quiet'\n"
    assert accept(tmp_path, text).config.netboot.kernel_args.startswith("rootwait")


def test_a_folder_by_default_must_be_a_plain_path_too(tmp_path: Path) -> None:
    assert only(tmp_path, ACTIVE + "[store]\nstate_dir = '/srv/a b'").key == "store.state_dir"
    accept(tmp_path, "[store]\nstate_dir = '/srv/a b'")
    accept(tmp_path, ACTIVE + "folder = '/srv/net'\n[store]\nstate_dir = '/srv/a b'")


def test_boot_words(tmp_path: Path) -> None:
    config = accept(tmp_path, f"{NODE}boot = 'local'").config
    assert config.cluster.stacks[0].devices[0].boot is Boot.LOCAL


# --- keys -----------------------------------------------------------------------------------------------

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    "key",
    [
        PRIVATE,
        "ssh-ed25519",
        "ssh-ed25519 hunter2",
        "ssh-ed25519 AAAA",
        PUBLIC_KEY.replace("ssh-ed25519 ", "ssh-rsa "),
        PUBLIC_KEY.replace("ssh-ed25519 ", "ssh-dss "),
        PUBLIC_KEY + "\\nssh-ed25519 second",
        'command="x" ' + PUBLIC_KEY.replace('"', "'"),
    ],
)
def test_only_public_keys_are_taken_and_others_are_never_shown(tmp_path: Path, key: str) -> None:
    quoted = key.replace('"', '\\"')
    problem = only(tmp_path, f'[ssh]\nauthorized_keys = ["{PUBLIC_KEY}", "{quoted}"]')
    assert problem.key == "ssh.authorized_keys.1"
    assert problem.found == "a value that is not shown here"
    assert "BEGIN" not in str(problem)


def test_a_key_that_is_no_list_is_not_shown(tmp_path: Path) -> None:
    assert "b3BlbnNz" not in str(only(tmp_path, f'[ssh]\nauthorized_keys = "{PRIVATE}"'))


def test_public_keys_of_every_kind_are_taken(tmp_path: Path) -> None:
    keys = (PUBLIC_KEY, " ".join(PUBLIC_KEY.split()[:2]))
    assert accept(tmp_path, f"[ssh]\nauthorized_keys = {list(keys)}").config.ssh.authorized_keys == keys
