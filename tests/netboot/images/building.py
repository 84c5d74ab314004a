"""What imports are fed with: trees, partition tables, disk images; and a description of a tree that is not graped's."""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import zlib
from pathlib import Path

MIB = 1_048_576
SECTOR = 512
BOOT_START, ROOT_START = 1 * MIB, 10 * MIB
IMAGE_END = 42 * MIB
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw+ep, as ping has it
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, uid)
    for tag, perm, uid in (
        (1, 6, 0xFFFFFFFF),
        (2, 7, 1234),
        (4, 4, 0xFFFFFFFF),
        (16, 7, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)
OLD_NS = 1_600_000_000_123_456_789


def elf(machine: int) -> bytes:
    """Give the head of a program for a processor."""
    return b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)


def plain_tree(root: Path) -> Path:
    """Make a small system that anybody may make: no devices, no strange owners."""
    for folder in ("bin", "etc", "boot/firmware", "var/lib/empty"):
        (root / folder).mkdir(parents=True)
    (root / "bin/dash").write_bytes(elf(183))
    (root / "bin/sh").symlink_to("dash")
    (root / "bin/dash").chmod(0o755)
    (root / "etc/hostname").write_text("raspberrypi\n")
    (root / "etc/fstab").write_text(
        "proc /proc proc defaults 0 0\n"
        "PARTUUID=1-01 /boot/firmware vfat defaults 0 2\n"
        "PARTUUID=1-02 / ext4 defaults 0 1\n"
    )
    (root / "boot/firmware/config.txt").write_text("arm_64bit=1\n")
    os.link(root / "bin/dash", root / "bin/rbash")
    with (root / "var/lib/sparse").open("wb") as stream:
        stream.truncate(8 * MIB)
        stream.seek(5 * MIB)
        stream.write(b"in the middle")
    os.utime(root / "etc/hostname", ns=(OLD_NS, OLD_NS))
    return root


def rich_tree(root: Path) -> Path:
    """Make a system with everything a root file system can have. Needs root, and a file system with attributes."""
    plain_tree(root)
    (root / "boot/firmware/config.txt").unlink()
    odd = root / os.fsdecode(b"etc/n\xe4me with\tblanks\n")
    odd.write_bytes(os.urandom(200_000))
    os.chown(odd, 1000, 1001)
    (root / "bin/sudo").write_bytes(b"#!")
    (root / "bin/sudo").chmod(0o4755)
    (root / "bin/ping").write_bytes(b"ping")
    os.setxattr(root / "bin/ping", "security.capability", CAPABILITY)
    (root / "bin/wall").write_bytes(b"wall")
    os.chown(root / "bin/wall", 0, 5)
    (root / "bin/wall").chmod(0o2755)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "srv").mkdir()
    os.setxattr(root / "srv", "user.note", b"with \x00 zero\n")
    os.setxattr(root / "srv", "trusted.mark", b"t")
    (root / "srv/shared").write_text("x")
    os.setxattr(root / "srv/shared", "system.posix_acl_access", ACL)
    (root / "dev").mkdir()
    os.mknod(root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "dev/sda", stat.S_IFBLK | 0o660, os.makedev(8, 0))
    os.chown(root / "dev/sda", 0, 6)
    os.mkfifo(root / "dev/initctl", 0o600)
    (root / "etc/mtab").symlink_to("/proc/self/mounts")
    os.chown(root / "etc/mtab", 33, 33, follow_symlinks=False)
    (root / "etc/dangling").symlink_to("../../../nowhere")
    (root / "root").mkdir(mode=0o700)
    os.link(odd, root / "root/second name")
    os.utime(root / "srv", ns=(OLD_NS, OLD_NS))
    os.utime(root / "etc/mtab", ns=(OLD_NS, OLD_NS), follow_symlinks=False)
    return root


def add_socket(root: Path) -> None:
    """Put a socket into a tree; a tar archive and mke2fs know none."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "sock"))


def portrait(root: Path, *, grain_ns: int = 1, skip: frozenset[str] = frozenset()) -> dict[str, tuple[object, ...]]:
    """Describe a tree with nothing but the standard library, to hold graped's copy against.

    Times are told in ``grain_ns`` (mke2fs knows whole seconds), that of the root itself is not.
    """
    found: dict[str, tuple[object, ...]] = {}
    groups: dict[tuple[int, int], list[str]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        name = str(path.relative_to(root))
        if name.split("/")[0] in skip:
            continue
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        attributes = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        detail: object = None
        if kind == stat.S_IFREG:
            detail = (path.read_bytes(), status.st_blocks * 512 < status.st_size)
            groups.setdefault((status.st_dev, status.st_ino), []).append(name)
        elif kind == stat.S_IFLNK:
            detail = os.readlink(path)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            detail = status.st_rdev
        when = 0 if path == root else status.st_mtime_ns // grain_ns
        found[name] = (status.st_mode, status.st_uid, status.st_gid, tuple(sorted(attributes.items())), detail, when)
    found["hard links"] = tuple(sorted(tuple(names) for names in groups.values() if len(names) > 1))
    return found


def mbr(*parts: tuple[int, int, int]) -> bytes:
    """Make a DOS partition table of (type, start, size) in bytes."""
    entries = b"".join(
        struct.pack("<B3xB3xII", 0x80 if number == 0 else 0, kind, start // SECTOR, size // SECTOR)
        for number, (kind, start, size) in enumerate(parts)
    )
    return bytes(446) + entries.ljust(64, b"\0") + b"\x55\xaa"


def gpt(*parts: tuple[bytes, int, int], sector: int = SECTOR, disk: int = IMAGE_END) -> bytes:
    """Make a protective DOS table, a GPT header and its entries, of (type GUID, start, size) in bytes."""
    entries = b"".join(
        kind + bytes([number]) * 16 + struct.pack("<QQQ", start // sector, (start + size) // sector - 1, 0) + bytes(72)
        for number, (kind, start, size) in enumerate(parts, 1)
    ).ljust(128 * 128, b"\0")
    last = disk // sector - 1

    def header(checksum: int) -> bytes:
        return (
            b"EFI PART\0\0\1\0" + struct.pack("<III", 92, checksum, 0) + struct.pack("<QQQQ", 1, last, 34, last - 33)
            + b"D" * 16 + struct.pack("<QIII", 2, 128, 128, zlib.crc32(entries))
        )  # fmt: skip

    protective = bytes(446) + struct.pack("<B3xB3xII", 0, 0xEE, 1, min(last, 0xFFFFFFFF)) + bytes(48) + b"\x55\xaa"
    return protective.ljust(sector, b"\0") + header(zlib.crc32(header(0))).ljust(sector, b"\0") + entries


def run(*argv: str | Path) -> None:
    """Run a tool; what it said is in the error."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{argv[0]}: {done.stdout}{done.stderr}"


def boot_files(folder: Path) -> Path:
    """Make what is on the boot partition of a Pi."""
    (folder / "overlays").mkdir(parents=True)
    (folder / "config.txt").write_text("kernel=kernel8.img\n")
    (folder / "kernel8.img").write_bytes(os.urandom(300_000))
    (folder / "overlays/disable-bt.dtbo").write_bytes(b"dtbo")
    return folder


def disk_image(
    image: Path,
    tree: Path,
    boot: Path | None,
    table: bytes | None = None,
    *,
    fat: int = 16,
    root_start: int = ROOT_START,
) -> Path:
    """Make an .img: a FAT partition with ``boot``, an ext4 partition of 32 MiB with ``tree`` behind it."""
    root_bytes = IMAGE_END - ROOT_START
    boot_bytes = root_start - BOOT_START
    image.write_bytes(table or mbr((0x0C, BOOT_START, boot_bytes), (0x83, root_start, root_bytes)))
    os.truncate(image, root_start + root_bytes)
    run(
        "mkfs.ext4", "-q", "-F", "-d", tree, "-E", f"offset={root_start},root_owner=0:0",
        image, f"{root_bytes // 1024}k",
    )  # fmt: skip
    if boot is not None:
        kib = str(boot_bytes // 1024)
        run("mkfs.vfat", "-F", str(fat), "--offset", str(BOOT_START // SECTOR), image, kib)
        if files := sorted(boot.iterdir()):
            run("mcopy", "-s", "-m", "-i", f"{image}@@{BOOT_START}", *files, "::")
    return image
