"""A Debian repository of the lab's own: all that a master can want to install, downloaded once, then without a network.

Each package is asked for from a copy of the bare root, so that everything it needs there comes along.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.cache import ALONE, cached, key_of
from tests.lab.debian import bare
from tests.lab.roots import _apt_sources  # see tests.lab.debian

WANTED: Final = (
    # what a master runs
    "python3 python3-venv",
    "dnsmasq-base", "dnsmasq", "chrony", "nftables", "iptables", "docker.io",
    "nfs-ganesha nfs-ganesha-vfs", "nfs-kernel-server", "rpcbind", "nfs-common",
    "openssh-client", "openssh-server", "sudo", "dbus", "i2c-tools", "gpiod",
    # a swarm: its registry; a clock that is wrong
    "docker-registry", "faketime libfaketime",
    # who may be in charge of its network
    "network-manager", "systemd-resolved", "ifupdown", "wpasupplicant", "systemd-timesyncd",
    # images
    "mtools dosfstools e2fsprogs btrfs-progs xfsprogs fdisk", "xz-utils zstd bzip2 zip unzip",
    "systemd-container", "mmdebstrap arch-test", "qemu-user-static binfmt-support", "bmap-tools",
    # what people have
    "man-db", "bash-completion", "zsh", "fish", "curl ca-certificates", "git", "kmod procps iproute2 iputils-ping",
    "python3-minimal", "attr acl", "debconf-utils",
)  # fmt: skip
MAKE_S: Final = 1200.0
DOWNLOAD: Final = """
set -eu
work=$1 lower=$2
shift 2
mkdir "$work/upper" "$work/work" "$work/merged"
mount -t overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" overlay "$work/merged"
cd "$work/merged"
rm etc/apt/sources.list
cp "$work"/sources/* etc/apt/sources.list.d
cp -L /etc/resolv.conf etc/resolv.conf
mount --bind /proc proc
chroot . apt-get -qq update
for packages; do
    # In parts: some of them cannot be installed together.
    chroot . apt-get -qq --yes --no-install-recommends --download-only install $packages >/dev/null
done
mv var/cache/apt/archives/*.deb "$work"
cd "$work"
mount --bind "$work" merged/mnt
chroot merged sh -c 'cd /mnt && apt-ftparchive packages . >Packages'
"""


def archive() -> Path:
    """Give the folder of packages with its index; apt takes it as ``deb [trusted=yes] file:FOLDER ./``."""
    root = bare()
    key = key_of(root.parent.name, Path(__file__).read_bytes())
    return cached("archive", key, lambda into: _make(into, root)) / "packages"


def _make(into: Path, root: Path) -> None:
    work = into / "packages"
    sources = work / "sources"
    sources.mkdir(parents=True)
    for path in _apt_sources():
        (sources / path.name).write_bytes(path.read_bytes())
    words = (*ALONE, "sh", "-c", DOWNLOAD, "download", str(work), str(root), *WANTED)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"the packages were not downloaded:\n{done.stderr[-3000:]}")
    subprocess.run(("rm", "-rf", *(str(work / name) for name in ("sources", "upper", "work", "merged"))), check=True)
