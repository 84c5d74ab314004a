"""Files of the first Grape daemon load."""

from __future__ import annotations

from pathlib import Path

from graped.config.types import Config
from graped.model import SlotId

from .rig import accept, problems

SEED = """
[cluster.stacks.0]
    [cluster.stacks.0.devices.0]
        mac = "B8:27:EB:2C:C0:04"
    [cluster.stacks.0.devices.1]
        mac = "B8:27:EB:EF:37:6E"
    [cluster.stacks.0.devices.5]
        mac = "B8:27:EB:07:8A:E7"
[cluster.stacks.1]
    [cluster.stacks.1.devices]
"""
OLD_KEYS = """
[cluster]
ssh_username = "pi"
ssh_password = "hunter2"
[rest_server]
port = 4000
[netboot]
active = false
boot_dir = "/tftpboot"
netboot_ip = "192.168.2.1"
base_boot_dir = "/tftpboot/base"
nfs_dir = "/nfs"
base_nfs_dir = "/nfs/base"
"""


def test_the_seeds_readme_loads_unchanged(tmp_path: Path) -> None:
    loaded = accept(tmp_path, SEED)
    stacks = loaded.config.cluster.stacks
    assert list(stacks) == [0, 1]
    assert {slot: device.mac for slot, device in stacks[0].devices.items()} == {
        0: "b8:27:eb:2c:c0:04",
        1: "b8:27:eb:ef:37:6e",
        5: "b8:27:eb:07:8a:e7",
    }
    assert stacks[1].devices == {}
    assert loaded.config.node_name(SlotId(0, 5)) == "worker-0-5"
    assert loaded.warnings == ()


def test_an_empty_file_is_the_documented_defaults(tmp_path: Path) -> None:
    loaded = accept(tmp_path, "")
    assert loaded.config == Config()
    assert loaded.warnings == ("cluster.stacks: no stack is configured, so there is nothing to switch",)


def test_each_old_key_loads_with_one_warning_that_says_what_comes_instead(tmp_path: Path) -> None:
    loaded = accept(tmp_path, SEED + OLD_KEYS, again="[rest_server]\nport = 4001\n")
    keys = [warning.split(": ")[1] for warning in loaded.warnings]
    assert sorted(keys) == sorted(
        ["cluster.ssh_username", "cluster.ssh_password", "rest_server.port"]
        + [f"netboot.{name}" for name in ("boot_dir", "netboot_ip", "base_boot_dir", "nfs_dir", "base_nfs_dir")]
    )
    told = "\n".join(loaded.warnings)
    for key in ("api.socket", "netboot.address", "netboot.folder", "netboot.image", "ssh.user", "ssh.authorized_keys"):
        assert key in told
    assert "again.toml: rest_server.port" in told  # the file that set it last


def test_an_old_file_that_netboots_loads_with_netbooting_left_off_and_says_what_to_set(tmp_path: Path) -> None:
    loaded = accept(tmp_path, SEED + OLD_KEYS.replace("active = false", "active = true"))
    assert not loaded.config.netboot.active
    (warning,) = [warning for warning in loaded.warnings if "netboot.active: left off" in warning]
    assert "netboot.interface and netboot.address" in warning


def test_a_new_key_among_the_old_ones_is_a_file_of_today(tmp_path: Path) -> None:
    text = "[netboot]\nactive = true\nnfs_dir = '/nfs'\ninterface = 'eth1'\n"
    assert [problem.key for problem in problems(tmp_path, text)] == ["netboot.address"]
    loaded = accept(tmp_path, text + "address = '10.77.0.1/24'\n")
    assert loaded.config.netboot.active


def test_an_old_password_is_nowhere_in_what_was_loaded(tmp_path: Path) -> None:
    loaded = accept(tmp_path, SEED + OLD_KEYS)
    assert "hunter2" not in repr(loaded)


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    texts = (
        '[cluster]\nssh_pasword = "hunter2"',  # not even under a key that nobody knows
        '[cluster.stacks.0]\nssh_password = "hunter2"',
        '[cluster.stacks.0]\ndriver = "tool"\noptions = { on = ["a"], off = ["b"], wire = { password = "hunter2" } }',
        '[cluster]\nssh_password = "hunter2" oops',
        "[cluster]\nssh_password = 'hunter2",
    )
    for text in texts:
        assert "hunter2" not in " ".join(map(str, problems(tmp_path, text)))


def test_an_unknown_key_among_the_old_ones_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, "[netboot]\nactve = true\n[rest_server]\nhost = 'x'\n")
    assert {(problem.key, problem.nearest) for problem in found} == {
        ("rest_server.host", ""),
        ("netboot.actve", "active"),
    }
