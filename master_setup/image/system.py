"""A master's root tree as a recipe: packages, files, commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from master_setup.image import firmware
from master_setup.image.layout import BOOT, ROOT, partuuid
from master_setup.image.recipe import Addition, TreeFile, TreeLink
from master_setup.image.wishes import Wishes
from master_setup.steps.boot import MODULES

FILES: Final = Path(__file__).parent.parent / "files/image"
COMPONENTS: Final = ("main", "non-free-firmware")
USER_ID: Final = 1000
KEYS: Final = "/etc/grape/first-keys"  # until its user is there
UNITS: Final = ("grape-first-boot.service", "grape-first-setup.service")
MARKS: Final = ("/etc/grape/first-boot", "/etc/grape/first-setup")  # each as long as that is still to be done

MINIMAL: Final = (  # boots, grows, is reached
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "initramfs-tools", "zstd", "fdisk", "e2fsprogs", "logsave",
    "dosfstools", "iproute2", "openssh-server", "sudo", "ca-certificates", "systemd-resolved", "raspi-firmware",
)  # fmt: skip
FULL: Final = (  # what people expect of a machine that they log in to
    *MINIMAL, "libpam-systemd", "dbus-user-session", "bash-completion", "less", "nano", "vim-tiny",
    "man-db", "locales", "tzdata", "procps", "psmisc", "htop", "iputils-ping", "curl", "wget", "rsync", "xz-utils",
    "i2c-tools", "gpiod", "ethtool", "tcpdump", "wireless-regdb", "firmware-brcm80211", "wpasupplicant", "iw",
    "parted", "apt-utils", "unattended-upgrades", "debian-archive-keyring",
)  # fmt: skip


def packages(wishes: Wishes, needed: tuple[str, ...]) -> tuple[str, ...]:
    """Name all packages that are asked for: the system's, those that Grape ``needed``, the user's own; sorted."""
    listed = FULL if wishes.full else MINIMAL
    regional = ("wireless-regdb",) if wishes.wifi_country else ()
    zones = ("tzdata",) if wishes.timezone != "Etc/UTC" else ()
    return tuple(sorted({*listed, wishes.kernel, *needed, *regional, *zones, *wishes.packages}))


def early(disk_id: int) -> tuple[Addition, ...]:
    """Give what has to be there before the kernel's package makes its initrd, which has to check the root."""
    return (
        _file("/etc/fstab", firmware.fstab(partuuid(disk_id, BOOT), partuuid(disk_id, ROOT))),
        # The hook for fsck would look at the root's device, and that is not there yet.
        _file("/etc/initramfs-tools/conf.d/grape", "# Made by Grape\nFSTYPE=ext4\n"),
    )


def files(wishes: Wishes, disk_id: int, config_lines: tuple[str, ...]) -> Iterator[Addition]:
    """Give what makes a system this master."""
    yield _file(firmware.SETTINGS, firmware.settings(partuuid(disk_id, ROOT)))
    yield _file(firmware.CONFIG, firmware.custom(config_lines))
    yield _file("/etc/hostname", f"{wishes.hostname}\n")
    yield _file("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {wishes.hostname}\n::1 localhost ip6-localhost\n")
    yield TreeLink(path="/etc/localtime", target=f"/usr/share/zoneinfo/{wishes.timezone}")
    yield _file("/etc/timezone", f"{wishes.timezone}\n")
    yield _file("/etc/systemd/network/80-grape-uplink.network", _uplink())
    yield _file("/etc/systemd/system/systemd-networkd-wait-online.service.d/grape.conf", _online())
    yield TreeFile(path="/usr/lib/grape/first-boot", content=(FILES / "first-boot").read_bytes(), mode=0o755)
    for unit, mark in zip(UNITS, MARKS, strict=True):
        yield TreeFile(path=f"/etc/systemd/system/{unit}", content=(FILES / unit).read_bytes())
        yield _file(mark, f"# Made by Grape: removed when {unit} is done\n")
    yield _file(MODULES, "# Written by Grape's master_setup.\ni2c-dev\n")
    if wishes.wifi_country:
        yield _file("/etc/modprobe.d/grape-wifi.conf", f"options cfg80211 ieee80211_regdom={wishes.wifi_country}\n")
    if wishes.ssh_keys:
        yield _file(KEYS, "".join(f"{key}\n" for key in wishes.ssh_keys))
    if not wishes.password:  # who logs in by key alone has no password that sudo could ask for
        rule = f"# Made by Grape\n{wishes.user} ALL=(ALL:ALL) NOPASSWD: ALL\n"
        yield TreeFile(path=f"/etc/sudoers.d/grape-{wishes.user}", content=rule.encode(), mode=0o440)


def commands(wishes: Wishes) -> Iterator[tuple[str, ...]]:
    """Give what is run inside the tree once everything is installed; the password comes later, by a pipe."""
    user, home = wishes.user, f"/home/{wishes.user}"
    identity = ("--uid", str(USER_ID), "--user-group", "--groups", "sudo", "--shell", "/bin/bash")
    yield ("useradd", "--create-home", *identity, user)
    if wishes.ssh_keys:
        theirs = ("-o", user, "-g", user)
        yield ("install", "-d", "-m", "0700", *theirs, f"{home}/.ssh")
        yield ("install", "-m", "0600", *theirs, KEYS, f"{home}/.ssh/authorized_keys")
        yield ("rm", KEYS)
    yield ("systemctl", "enable", "--quiet", *UNITS, "systemd-networkd.service")


def boot_files() -> Iterator[tuple[str, ...]]:
    """Give the firmware's own hook: it writes the boot files by the settings that are there now."""
    yield ("env", "DEB_MAINT_PARAMS=configure", firmware.HOOK)


def leave_open() -> Iterator[tuple[str, ...]]:
    """Give what is run last: nothing that has to differ from machine to machine is in an image."""
    yield ("find", "/etc/ssh", "-name", "ssh_host_*", "-delete")
    yield ("truncate", "--size=0", "/etc/machine-id")
    yield ("rm", "-f", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed")


def _uplink() -> str:
    """Have any cable ask for an address. Files of Grape with a lower number come first, for the cluster's interface."""
    return "# Made by Grape\n[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n"


def _online() -> str:
    """Have the boot wait a little for an uplink, and go on without: a master may have none."""
    program = "/lib/systemd/systemd-networkd-wait-online --any --timeout=15"
    return f"# Made by Grape\n[Service]\nExecStart=\nExecStart=-{program}\n"


def _file(path: str, text: str) -> TreeFile:
    return TreeFile(path=path, content=text.encode())
