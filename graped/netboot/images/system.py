"""What makes a system fit for booting over the network, with nothing of one node in it. Pure: a tree in, edits out."""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterator
from typing import Final

from graped.netboot.images import shared
from graped.netboot.images.edits import Edit, Folder, Remove, Setuid, Step, Write
from graped.netboot.images.mounts import DOCKER, VOLUME, netboot_fstab
from graped.netboot.images.network import STEPS as NETWORK_STEPS
from graped.netboot.images.parts import part
from graped.netboot.images.saying import console
from graped.netboot.images.tree import Tree
from graped.netboot.images.units import enabled, masked, unit_file

EPHEMERAL_INIT: Final = "usr/lib/grape/ephemeral-init"  # init= of a node with the strategy "ephemeral"

FIRST_BOOT: Final = (  # each wants a disk of its own, or asks somebody who is not there
    "userconfig.service",
    "regenerate_ssh_host_keys.service",  # would replace the keys that are pinned
    "resize2fs_once.service",
    "rpi-resize.service",
    "rpi-resize-swap-file.service",
    "systemd-firstboot.service",
    "systemd-growfs-root.service",
    "dphys-swapfile.service",  # a swap file over NFS hangs the node when memory is short
)
WIZARD: Final = (  # the first-boot wizard of the desktop, and a banner that tells people to run it
    "etc/xdg/autostart/piwiz.desktop",
    "etc/ssh/sshd_config.d/rename_user.conf",
    "etc/ssh/sshd_not_to_be_run",
)
WIZARD_USER: Final = "rpi-first-boot-wizard"
LIGHTDM: Final = "etc/lightdm/lightdm.conf"
TIME_SERVERS: Final = ("chrony.service", "ntpsec.service", "ntp.service", "openntpd.service")
WITH_CAPABILITIES: Final = (  # NFSv3 carries no file capabilities: these need a right that only they gave
    "ping", "ping4", "ping6", "arping", "clockdiff", "fping", "mtr-packet", "traceroute6.iputils",
)  # fmt: skip


def ssh(tree: Tree) -> Iterator[Edit]:
    """Have an SSH server started at boot, whichever way the system does it."""
    if any(tree.status(f"etc/systemd/system/sockets.target.wants/{unit}") for unit in ("ssh.socket", "sshd.socket")):
        return
    for unit in ("ssh.service", "sshd.service"):
        if unit_file(tree, unit) is not None:
            yield from enabled(tree, unit, "multi-user.target")
            return


def first_boot(tree: Tree) -> Iterator[Edit]:
    """Keep everything quiet that a system does or asks once, at its first boot from a disk."""
    for unit in FIRST_BOOT:
        yield from masked(tree, unit)
    for level in range(7):
        for name in fnmatch.filter(tree.names(f"etc/rc{level}.d"), "S??resize2fs_once"):
            yield Remove(path=f"etc/rc{level}.d/{name}")
    if unit_file(tree, "userconfig.service") is not None:  # it has taken the console away until it is done
        yield from enabled(tree, "getty@tty1.service", "getty.target")
    for name in WIZARD:
        yield Remove(path=name)
    if tree.is_folder("etc/cloud"):  # makes new host keys for what it takes for a new machine
        yield Write(path="etc/cloud/cloud-init.disabled", content=b"")
    text = tree.text(LIGHTDM)
    if text is not None and WIZARD_USER in text:
        kept = [line for line in text.splitlines(keepends=True) if not _logs_wizard_in(line)]
        yield Write(path=LIGHTDM, content="".join(kept).encode(errors="surrogateescape"))


def disks(tree: Tree) -> Iterator[Edit]:
    """Mount nothing of the SD card, and swap nowhere."""
    text = tree.text("etc/fstab") or ""
    yield Write(path="etc/fstab", content=netboot_fstab(text).encode(errors="surrogateescape"))
    yield Remove(path="var/swap")
    if tree.exists("etc/rpi/swap.conf") or tree.exists("usr/lib/systemd/system-generators/rpi-swap-generator"):
        yield Write(path="etc/rpi/swap.conf.d/90-grape.conf", content=b"# Made by Grape\n[Main]\nMechanism=zram\n")


def time(tree: Tree) -> Iterator[Edit]:
    """Have the clock set over the network: which server to ask is written for each node."""
    if any(unit_file(tree, unit) is not None for unit in TIME_SERVERS):
        return
    yield from enabled(tree, "systemd-timesyncd.service", "sysinit.target")


def capabilities(tree: Tree) -> Iterator[Edit]:
    """Make programs setuid that would lose their file capabilities over NFS."""
    for folder in ("bin", "usr/bin", "usr/sbin"):
        for name in WITH_CAPABILITIES:
            path = f"{folder}/{name}"
            status = tree.status(path)
            if status is not None and stat.S_ISREG(status.st_mode) and tree.has_capabilities(path):
                yield Setuid(path=path)


def grape(tree: Tree) -> Iterator[Edit]:
    """Put in what is Grape's own: the init of ephemeral nodes, and the places of the Docker volume."""
    yield Write(path=EPHEMERAL_INIT, content=part("ephemeral-init.sh"), mode=0o755)
    for folder in ("usr/lib/grape/ram", VOLUME, DOCKER, "mnt", "proc", "sys", "dev", "run", "tmp"):
        yield Folder(path=folder, mode=0o1777 if folder == "tmp" else 0o755)
    yield Write(
        path="etc/systemd/system/docker.service.d/grape.conf",
        content=f"# Made by Grape: a node with a volume has it there\n[Unit]\nRequiresMountsFor=/{DOCKER}\n".encode(),
    )


STEPS: Final[tuple[Step, ...]] = (ssh, first_boot, disks, *NETWORK_STEPS, time, capabilities, grape, console)

KEEP_PREPARED: Final[tuple[Step, ...]] = (*shared.STEPS, capabilities)
"""What is done again after people have worked in a prepared system: packages make keys, and have capabilities."""


def shortcomings(tree: Tree) -> tuple[str, ...]:
    """What a system lacks that no edit can give it, for people."""
    missing = []
    if not any(unit_file(tree, unit) for unit in ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")):
        missing.append("no SSH server: nodes will not be seen as up")
    if not any(tree.exists(init) for init in ("sbin/init", "usr/lib/systemd/systemd", "etc/init", "bin/init")):
        missing.append("no /sbin/init")
    return tuple(missing)


def _logs_wizard_in(line: str) -> bool:
    key, _, value = line.partition("=")
    return key.strip() == "autologin-user" and value.strip() == WIZARD_USER
