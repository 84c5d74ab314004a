"""A fresh Debian 12: what its installer calls the base system, and nothing more. Made once, as the lab's other roots.

The base system is what debootstrap installs where nobody chooses anything: the packages of the priorities *required*
and *important*. It has systemd, apt, ifupdown and nano; no Python, no D-Bus, no SSH server.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.lab.cache import ALONE, cached, key_of
from tests.lab.roots import SUITE, _apt_sources  # not renamed there: each byte of that module is in every root's key

REPOSITORY: Final = "/srv/repository"  # where a machine finds the packages of tests.lab.archive
# A container has this machine's devices and no firmware of its own: what would work on them is kept off.
MASKED: Final = (
    "systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service", "getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "e2scrub_reap.service", "e2scrub_all.timer", "fstrim.timer",
)  # fmt: skip
INTERFACES: Final = """\
# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
"""
MAKE_S: Final = 900.0


def bare() -> Path:
    """Give the root file system. It is shared: copy it."""
    return cached("root-bare", key_of(SUITE, Path(__file__).read_bytes()), _make) / "root"


def _make(into: Path) -> None:
    tree = into / "root"
    words = [*ALONE, "mmdebstrap", "--quiet", "--variant=important", "--dpkgopt=force-unsafe-io"]
    words += [f'--customize-hook=chroot "$1" systemctl mask --quiet {" ".join(MASKED)}']
    words += [SUITE, str(tree), *map(str, _apt_sources())]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
    _one_source(tree)
    (tree / "etc/network/interfaces").write_text(INTERFACES)
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").write_text("")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)


def _one_source(tree: Path) -> None:
    """Have apt know the lab's own repository alone."""
    apt = tree / "etc/apt"
    shutil.rmtree(apt / "sources.list.d")
    (apt / "sources.list.d").mkdir()
    (apt / "sources.list").write_text(f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    (tree / REPOSITORY.lstrip("/")).mkdir()
