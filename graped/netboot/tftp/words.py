"""The kernel's command line and ``config.txt`` of one node, from those of its image. Pure.

Source: Raspberry Pi documentation, config_txt and boot-net; Linux, Documentation/admin-guide/nfs/nfsroot.rst;
klibc, usr/kinit/nfsmount, which the initramfs of Raspberry Pi OS and Debian mounts the root with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import ServerError
from graped.netboot.dhcp.layout import plain

EPHEMERAL_INIT: Final = "/usr/lib/grape/ephemeral-init"
CMDLINE: Final = "cmdline.txt"
CONFIG: Final = "config.txt"

# "proto=" and "vers=4" are refused by klibc; the kernel's own nfsroot asks for 4 kB at a time where nothing is said.
# "noacl": NFS-Ganesha before 5 fails where an ACL is taken away (its issue 918), which systemd does with the folder of
# each service that has a user of its own: EIO, and no such service starts.
NFS_OPTIONS: Final = "vers=3,tcp,noacl,rsize=131072,wsize=131072"
NFSROOT_LIMIT: Final = 256  # characters with the final zero. Source: Linux, fs/nfs/nfsroot.c
_WORD: Final = re.compile(r'(?:"[^"]*"|[^\s"])+')

# Where the root is and what the first boot of an SD card does: each says something else over the network.
_DROPPED_KEYS: Final = frozenset(
    {"root", "rootfstype", "rootflags", "rootdelay", "rootwait", "nfsroot", "nfsrootdebug", "ip", "ro", "rw"}
    | {"resume", "fsck.repair", "fsck.mode", "resize", "boot", "overlayroot"}
    | {"systemd.run", "systemd.run_success_action", "systemd.run_failure_action"}
)
_DROPPED_WORDS: Final = frozenset(
    {"systemd.unit=kernel-command-line.target", "cgroup_disable=memory", "cgroup_enable=memory"}
)
_FIRST_BOOT: Final = re.compile(r"init=\S*(?:firstboot|init_resize|resize)\S*")


def kernel_words(
    image: str,
    *,
    server: IPv4Address,
    nfs_path: Path,
    ephemeral: bool = False,
    private: Path | None = None,
    console: Iterable[str] = (),
    more: str = "",
) -> str:
    """Return a node's kernel command line: one line, made of the image's own (``image``), ours and the user's.

    ``console``: where the node sends what it says.
    ``private`` is the export with an ephemeral node's own files, which its first program lays over the shared root.
    Raises: ServerError where the path is too long for the kernel, or has a character it splits at.
    """
    root = f"{server}:{plain(nfs_path)},{NFS_OPTIONS}"
    if len(root) >= NFSROOT_LIMIT:
        raise ServerError(
            f"the path of the root is too long for the kernel: {nfs_path}",
            hint="Choose a shorter netboot.folder.",
        )
    kept = [word for word in _WORD.findall(image) if _is_kept(word, ephemeral=ephemeral)]
    access = ["ro", f"init={EPHEMERAL_INIT}"] if ephemeral else ["rw"]
    if ephemeral and private is not None:
        access.append(f"grape.private={server}:{plain(private)}")
    ours = ["root=/dev/nfs", f"nfsroot={root}", *access, "ip=dhcp", "rootwait", "cgroup_enable=memory"]
    return " ".join([*kept, *ours, *console, *_WORD.findall(more)])


def config_txt(image: str, names: Iterable[str], more: Iterable[str] = ()) -> str:
    """Return a node's ``config.txt``: the image's, then for all models what netbooting needs and the user wants.

    ``names`` are the boot files of the image: an initramfs that its ``config.txt`` does not speak of is taken.
    """
    lines = ["[all]"]
    if _option(image, "cmdline") not in (None, CMDLINE):
        lines.append(f"cmdline={CMDLINE}")
    if any(name.startswith("initramfs") for name in names) and not re.search(r"(?m)^\s*(auto_)?initramfs\b", image):
        lines.append("auto_initramfs=1")
    head = image.rstrip() + "\n\n" if image.strip() else ""
    return head + "# --- graped: this node ---\n" + "".join(f"{line}\n" for line in [*lines, *more])


def cmdline_name(config: str) -> str:
    """Return where the firmware looks for our command line: beside the kernel, in what ``os_prefix`` names."""
    prefix = _option(config, "os_prefix") or ""
    inside = prefix.endswith("/") and not prefix.startswith("/") and ".." not in prefix
    return f"{prefix}{CMDLINE}" if inside else CMDLINE


def image_cmdline_name(config: str) -> str:
    """Return where the image has its own command line."""
    return cmdline_name(config)[: -len(CMDLINE)] + (_option(config, "cmdline") or CMDLINE)


def _is_kept(word: str, *, ephemeral: bool) -> bool:
    key = word.partition("=")[0].strip('"')
    if key == "init" and (ephemeral or _FIRST_BOOT.fullmatch(word)):
        return False
    return key not in _DROPPED_KEYS and word not in _DROPPED_WORDS


def _option(config: str, key: str) -> str | None:
    """Return the last value of an option, whatever model it is for; None where it is not set."""
    found = re.findall(rf"(?m)^[ \t]*{key}=[ \t]*([^\s#]*)", config)
    return found[-1] if found else None
