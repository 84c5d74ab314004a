"""A fresh Debian 12 with packages of the lab's repository in it, for tests that are not about installing them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.archive import archive
from tests.lab.cache import ALONE, cached, key_of
from tests.lab.debian import REPOSITORY, bare

PACKAGES: Final = (
    "python3", "dbus", "dnsmasq-base", "rpcbind", "nfs-ganesha", "nfs-ganesha-vfs", "mtools", "e2fsprogs",
)  # fmt: skip
MAKE_S: Final = 600.0
INSTALL: Final = """
set -eu
tree=$1 packages=$2
shift 2
cp --archive --reflink=auto "$0" "$tree"
cd "$tree"
mount --bind /proc proc
mount --bind "$packages" ".$REPOSITORY"
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod +x usr/sbin/policy-rc.d
apt="chroot . apt-get --quiet=2 --yes --option=Dpkg::Options::=--force-unsafe-io"
$apt update
DEBIAN_FRONTEND=noninteractive $apt --no-install-recommends install "$@" >/dev/null
rm usr/sbin/policy-rc.d
rm -rf var/lib/apt/lists/* var/cache/apt/*.bin
umount ".$REPOSITORY" proc
"""


def master() -> Path:
    """Give the root file system of a master with all its packages but Grape. It is shared: copy it."""
    root, offered = bare(), archive()
    key = key_of(root.parent.name, offered.parent.name, Path(__file__).read_bytes())
    return cached("root-master", key, lambda into: _make(into / "root", root, offered)) / "root"


def _make(tree: Path, root: Path, offered: Path) -> None:
    words = (*ALONE, "env", f"REPOSITORY={REPOSITORY}", "sh", "-c", INSTALL, root, tree, offered, *PACKAGES)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"{tree} cannot be made:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
