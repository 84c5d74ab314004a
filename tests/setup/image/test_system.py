"""What a master's tree is made of."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from pathlib import Path

import pytest

from master_setup.image import firmware, master, system
from master_setup.image.program import Program
from master_setup.image.recipe import NotBuilt, Recipe, TreeCopy, TreeFile
from master_setup.image.wishes import Wishes

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhTn8f8m2q8h4f7 mary@laptop"
BY_KEY = Wishes(user="mary", ssh_keys=(KEY,), full=False)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    (tmp_path / "grape-0.1.0-py3-none-any.whl").touch()
    return tmp_path


def recipe(asked: Wishes, wheelhouse: Path) -> Recipe:
    return master.recipe(asked, Program(wheelhouse=wheelhouse), 0xA1)


def texts(made: Recipe) -> dict[str, str]:
    return {one.path: one.content.decode() for one in (*made.early, *made.files) if isinstance(one, TreeFile)}


def test_the_two_lists(wheelhouse: Path) -> None:
    small = set(recipe(BY_KEY, wheelhouse).packages)
    large = set(recipe(dataclasses.replace(BY_KEY, full=True, packages=("mc",)), wheelhouse).packages)
    assert {"raspi-firmware", "linux-image-arm64", "systemd-sysv", "python3-venv", "dnsmasq-base"} <= small < large
    assert "mc" in large
    assert recipe(BY_KEY, wheelhouse).components == ("main", "non-free-firmware")  # where raspi-firmware is


def test_boot_files_are_written_by_the_firmware_s_own_hook_once_all_is_known(wheelhouse: Path) -> None:
    made = recipe(BY_KEY, wheelhouse)
    assert 'ROOTPART="PARTUUID=000000a1-02"' in texts(made)[firmware.SETTINGS]
    assert texts(made)[firmware.CONFIG].splitlines() == ["# Made by Grape", "[all]", "gpio=17,27=ip,np"]
    assert "PARTUUID=000000a1-01 /boot/firmware" in texts(made)["/etc/fstab"]
    assert [one.path for one in made.early] == ["/etc/fstab", "/etc/initramfs-tools/conf.d/grape"]
    hooks = [shlex.join(hook) for hook in made.hooks]
    assert hooks.index(f"env DEB_MAINT_PARAMS=configure {firmware.HOOK}") > hooks.index("rm -rf /var/cache/grape-image")


def test_who_logs_in_by_key_needs_no_password_for_sudo(wheelhouse: Path) -> None:
    made = recipe(BY_KEY, wheelhouse)
    assert "NOPASSWD" in texts(made)["/etc/sudoers.d/grape-mary"]
    assert texts(made)[system.KEYS] == f"{KEY}\n"
    assert ("rm", system.KEYS) in made.hooks


def test_a_password_is_nowhere_in_the_recipe(wheelhouse: Path) -> None:
    made = recipe(Wishes(user="mary", password="horse battery"), wheelhouse)
    assert "horse" not in repr(made)
    assert "/etc/sudoers.d/grape-mary" not in texts(made)


def test_nothing_that_differs_from_machine_to_machine_stays(wheelhouse: Path) -> None:
    last = recipe(BY_KEY, wheelhouse).hooks[-3:]
    assert last[0][:2] == ("find", "/etc/ssh")
    assert "/etc/machine-id" in last[1]
    assert "/var/lib/systemd/random-seed" in last[2]


def test_grape_comes_as_wheels_or_as_its_package(wheelhouse: Path) -> None:
    made = recipe(dataclasses.replace(BY_KEY, interface="eth0", address="10.77.0.1/24"), wheelhouse)
    assert [one.source for one in made.files if isinstance(one, TreeCopy)] == [wheelhouse]
    (apply,) = (hook for hook in made.hooks if "apply" in hook)
    assert apply[apply.index("--interface") + 1 :][:3] == ("eth0", "--address", "10.77.0.1/24")
    assert {"--offline", "--no-packages", "--wheelhouse"} <= set(apply)

    deb = Path("grape_0.1.0_arm64.deb")
    made = master.recipe(BY_KEY, Program(deb=deb), 1)
    assert made.debs == (deb,)
    (apply,) = (hook for hook in made.hooks if "apply" in hook)
    assert apply[:3] == ("grape-setup", "apply", "--packaged")


def test_a_wheelhouse_without_grape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="has no wheels of grape"):
        recipe(BY_KEY, tmp_path)


def test_scripts_are_right_for_a_plain_shell() -> None:
    for name in ("first-boot", "native-tools"):
        subprocess.run(("sh", "-n", system.FILES / name), check=True)


def test_each_unit_runs_once() -> None:
    for unit, mark in zip(system.UNITS, system.MARKS, strict=True):
        text = (system.FILES / unit).read_text()
        assert f"ConditionPathExists={mark}\n" in text
        assert f"rm {mark}" in text + (system.FILES / "first-boot").read_text()
