"""The image of a master: what is in it, read by other tools, and that it boots to a graped that answers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.machines.virt import Boot, Virt
from tests.lab.master_image import MasterImage, master_image
from tests.lab.network import Network
from tests.lab.packages import MASTER
from tests.lab.run import Run
from tests.lab.ssh import Login

MIB = 1024 * 1024
ADDRESS = "10.77.0.1"  # that --address has asked for
LOGIN_S, READY_S = 420.0, 300.0  # of a machine of two cores that is busy with six other things; idle it is a fifth
MTOOLS = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
ANSWERS = "until grapecli status >/dev/null 2>&1; do sleep 1; done"
# Whose unit, and with it the boot, ends a moment after its mark is gone; systemd-analyze wants the end of the boot.
WAIT = "while [ -e /etc/grape/first-setup ]; do sleep 1; done; systemctl is-system-running --wait >/dev/null;"
ASKED = {
    "status": "grapecli status",
    "root": "findmnt --bytes --noheadings --output SIZE /",
    "boot": "findmnt --noheadings --output FSTYPE /boot/firmware",
    "name": "echo $(hostname) $(uname --machine)",
    "zone": "cat /etc/timezone",
    "sudo": "sudo -n id --user",
    "graped": "systemctl is-active graped; systemctl is-enabled graped",
    "machine-id": "cat /etc/machine-id",
    "host-keys": "ls /etc/ssh/ssh_host_*_key.pub | wc -l",
    "passwords": "sudo awk -F: '$2 !~ /^[*!]/' /etc/shadow",
    "left": "ls /etc/grape | grep first",
    "failed": "systemctl --failed --no-legend --plain",
    "times": "systemd-analyze",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card that the image was flashed on, and what its boot partition says."""

    path: Path
    boot_at: int

    def boot_file(self, name: str) -> bytes:
        """Read a file of the boot partition."""
        command = ("mtype", "-i", f"{self.path}@@{self.boot_at}", f"::{name}")
        return subprocess.run(command, capture_output=True, check=True, env=MTOOLS).stdout

    def boot_text(self, name: str) -> str:
        """Read a text of the boot partition."""
        return self.boot_file(name).decode()


@pytest.fixture(scope="module")
def made() -> MasterImage:
    return master_image()


@pytest.fixture
def card(lab: Run, made: MasterImage) -> Card:
    """Flash it as the README says: the packed image and its block map, checked; the card is larger than the image."""
    path = lab.folder("cards") / "card.img"
    subprocess.run(("bmaptool", "--quiet", "copy", made.image, path), check=True, capture_output=True, timeout=300)
    os.truncate(path, 4096 * MIB)
    table = json.loads(subprocess.run(("sfdisk", "--json", path), capture_output=True, check=True).stdout)
    boot, root = table["partitiontable"]["partitions"]
    assert (boot["type"], root["type"]) == ("c", "83")
    assert boot["start"] % 8192 == root["start"] % 8192 == 0
    _be_patient(lab, path, root["start"] * 512)
    return Card(path=path, boot_at=boot["start"] * 512)


def test_what_was_built(made: MasterImage, record_property: pytest.RecordProperty) -> None:
    packages = re.search(r"minimal list, (\d+) packages: (.*)", made.said)
    assert packages is not None
    record_property("summary", f"image of a master: {packages[0]}")
    assert {"raspi-firmware", "linux-image-arm64", "python3-venv", "dnsmasq-base"} <= set(packages[2].split())
    for phase in ("install", "initramfs", "boot partition", "root partition", "compress", "checksum"):
        assert phase in made.said
    digest, name = (made.folder / f"{made.image.name}.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(made.image.read_bytes()).hexdigest(), made.image.name)
    assert sorted(os.listdir(made.folder)) == [
        "build.log", "grape.img.bmap", "grape.img.xz", "grape.img.xz.sha256", "id", "id.pub",
    ]  # fmt: skip


def test_a_pi_finds_what_it_needs(card: Card) -> None:
    command = ("mdir", "-b", "-i", f"{card.path}@@{card.boot_at}", "::")
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=MTOOLS).stdout
    names = {line.removeprefix("::/").lower() for line in listed.split()}
    pi3 = {"bootcode.bin", "start.elf", "fixup.dat", "bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb"}
    assert pi3 | {"start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"} <= names
    config = card.boot_text("config.txt").splitlines()
    for line in ("arm_64bit=1", "gpio=17,27=ip,np", "enable_uart=1"):
        assert line in config
    assert {_value(config, "kernel=").lower(), _value(config, "initramfs ").lower()} <= names
    cmdline = card.boot_text("cmdline.txt")
    assert cmdline.count("\n") == 1
    words = cmdline.split()
    assert re.search(r"^PARTUUID=[0-9a-f]{8}-02$", _value(words, "root="))
    assert not any(word.startswith("cma=") for word in words)  # a Pi 4 does not boot with it
    assert words.index("console=ttyS1,115200") > words.index("console=tty0")
    assert {"rw", "rootwait", "fsck.repair=yes", "net.ifnames=0"} <= set(words)


def test_it_boots_to_a_graped_that_answers(
    lab: Run, made: MasterImage, card: Card, record_property: pytest.RecordProperty
) -> None:
    network = Network(lab)
    place = network.place("laptop", address="10.77.0.9/24")
    machine = Virt(network, "grape", "52:54:00:00:77:01", card.path, _boot(lab, card))
    started_s = time.monotonic()
    machine.power_on()
    login = Login(place, made.key, MASTER.address.partition("/")[0], user=MASTER.user, answer_s=30)
    login.wait(LOGIN_S)
    login_s = time.monotonic() - started_s
    login.do(ANSWERS, timeout_s=READY_S)
    answered = f"login after {login_s:.0f} s, an answer of graped after {time.monotonic() - started_s:.0f} s"
    record_property("summary", f"image of a master: {answered}")

    seen = _seen(login)
    assert "worker-0-" in seen["status"]
    print(seen["times"])
    assert int(seen["root"]) > 3000 * MIB  # has grown to the end of the card
    assert seen["boot"] == "vfat"
    assert seen["name"] == "grape aarch64"
    assert seen["zone"] == "Europe/Berlin"
    assert seen["sudo"] == "0"
    assert {"active", "enabled"} == set(seen["graped"].split())
    assert re.fullmatch(r"[0-9a-f]{32}", seen["machine-id"])
    assert seen["host-keys"] == "3"
    assert seen["passwords"] == ""  # nobody has one
    assert seen["left"] == ""  # the first boot is done
    assert seen["failed"] == ""


def _be_patient(lab: Run, card: Path, root_at: int) -> None:
    """Let graped take the time to start that an emulated processor on a busy machine needs."""
    patience = lab.folder("cards") / "patience.conf"
    patience.write_text("[Service]\nTimeoutStartSec=600\nWatchdogSec=180\n")
    folder = "/etc/systemd/system/graped.service.d"
    script = lab.folder("cards") / "debugfs"
    script.write_text(f"mkdir {folder}\nwrite {patience} {folder}/patience.conf\n")
    words = ("debugfs", "-w", "-f", script, f"{card}?offset={root_at}")
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def _value(lines: list[str], start: str) -> str:
    (found,) = (line.removeprefix(start) for line in lines if line.startswith(start))
    return found


def _boot(lab: Run, card: Card) -> Boot:
    """Start it as a boot loader does: with the kernel, the initrd and the words of its own boot partition."""
    folder = lab.folder("boot")
    config = card.boot_text("config.txt").splitlines()
    kernel, initrd = _value(config, "kernel="), _value(config, "initramfs ")
    for name in (kernel, initrd):
        (folder / name).write_bytes(card.boot_file(name))
    # This machine's serial line; and patience with an emulated processor on a busy machine.
    more = "console=ttyAMA0 systemd.default_timeout_start_sec=900"
    cmdline = f"{card.boot_text('cmdline.txt').strip()} {more}"
    return Boot(kernel=folder / kernel, initrd=folder / initrd, cmdline=cmdline)


def _seen(login: Login) -> dict[str, str]:
    """Look at the machine, once it has done what is left to its first boot; one login, because each is seconds."""
    script = WAIT + "".join(f"echo '=== {name}'; {command};" for name, command in ASKED.items())
    parts = re.split(r"^=== (.*)$", login.do(script, timeout_s=READY_S), flags=re.MULTILINE)[1:]
    return {name: said.strip() for name, said in zip(parts[::2], parts[1::2], strict=True)}
