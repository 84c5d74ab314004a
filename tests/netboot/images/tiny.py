"""A small but real system: static busybox, and what a Raspberry Pi OS has that is in the way of netbooting."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

BUSYBOX = shutil.which("busybox")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="owners, namespaces and mounts: needs root")
APPLETS = (
    "sh cat echo ls id sleep mount umount mknod touch ps hostname rm cp mkdir dd grep sort head wc ln readlink stat"
    " modprobe pivot_root chroot env ip true false kill setsid nc sync date"
)
FSTAB = """proc            /proc           proc    defaults          0       0
PARTUUID=4e639091-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=4e639091-02  /               ext4    defaults,noatime  0       1
# a swapfile is not a swap partition, no line here
"""
UNITS = ("ssh.service", "userconfig.service", "getty@.service", "systemd-timesyncd.service", "dphys-swapfile.service")


def tiny_root(root: Path) -> Path:
    """Make a root in which commands run."""
    if BUSYBOX is None:
        pytest.skip("no busybox: install busybox-static")
    for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "usr/bin", "usr/sbin", "var/lib"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/hostname").write_text("tiny\n")
    return root


def raspberry_root(root: Path) -> Path:
    """The same, with what an image for an SD card has."""
    tiny_root(root)
    write(root, "etc/fstab", FSTAB)
    write(root, "etc/hosts", "127.0.0.1\tlocalhost\n")
    for unit in UNITS:
        write(root, f"usr/lib/systemd/system/{unit}", "[Unit]\n")
    (root / "lib").symlink_to("usr/lib")
    enable(root, "userconfig.service", "multi-user.target")
    enable(root, "dphys-swapfile.service", "multi-user.target")
    write(root, "etc/init.d/resize2fs_once", "#!/bin/sh\n", 0o755)
    link(root, "etc/rc3.d/S01resize2fs_once", "../init.d/resize2fs_once")
    write(root, "etc/ssh/sshd_config", "UsePAM yes\n")
    write(root, "etc/ssh/sshd_config.d/rename_user.conf", "Banner /x\n")
    write(root, "etc/ssh/ssh_host_ed25519_key", "secret\n", 0o600)
    write(root, "etc/ssh/ssh_host_ed25519_key.pub", "public\n")
    write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444)
    write(root, "var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(root, "var/lib/NetworkManager/secret_key", "x")
    write(root, "var/swap", "x" * 100, 0o600)
    write(root, "etc/resolv.conf", "nameserver 192.0.2.1\n")
    write(root, "etc/dhcpcd.conf", "hostname\npersistent\n")
    write(root, "etc/network/interfaces", "auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n")
    write(root, "etc/lightdm/lightdm.conf", "[Seat:*]\nautologin-user=rpi-first-boot-wizard\n#autologin-user=\n")
    write(root, "boot/firmware/config.txt", "arm_64bit=1\n")
    return root


def write(root: Path, name: str, text: str, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link(root: Path, name: str, target: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def enable(root: Path, unit: str, target: str) -> None:
    link(root, f"etc/systemd/system/{target}.wants/{unit}", f"/usr/lib/systemd/system/{unit}")


def arm64_program(text: bytes) -> bytes:
    """A static ELF for arm64 that writes ``text`` and exits with 7, assembled by hand. Source: elf(5), Arm ARM."""
    base, header, words = 0x400000, 64 + 56, 9
    address = base + header + 4 * words
    code = struct.pack(
        f"<{words}I",
        0xD2800020,  # mov x0, #1
        0xD2800001 | (address & 0xFFFF) << 5,  # mov x1, #low
        0xF2A00001 | (address >> 16 & 0xFFFF) << 5,  # movk x1, #high, lsl 16
        0xD2800002 | len(text) << 5,  # mov x2, #length
        0xD2800808,  # mov x8, #64 (write)
        0xD4000001,  # svc 0
        0xD28000E0,  # mov x0, #7
        0xD2800BA8,  # mov x8, #93 (exit)
        0xD4000001,  # svc 0
    )
    size = header + len(code) + len(text)
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return elf + segment + code + text


def mounts_of_this_process() -> str:
    return Path("/proc/self/mountinfo").read_text()


def processes_in(root: Path) -> list[str]:
    """Processes whose root folder or namespace is the tree's: what a command has left running."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(os.fsencode(root) in word for word in words):
                found.append(entry.name)
    return found


def run(*argv: object, timeout_s: float = 30) -> str:
    return subprocess.run([*map(str, argv)], check=True, capture_output=True, text=True, timeout=timeout_s).stdout
