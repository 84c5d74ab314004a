"""Root file systems of the lab's machines, made by mmdebstrap from this machine's own apt sources, once."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.cache import ALONE, cached, key_of

SUITE: Final = "bookworm"
NODE: Final = ("systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "procps")
MASKED: Final = ("getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_reap.service")
# Emulated, a second of a PC's start is ten: what such a node can do without.
MASKED_ON_PC: Final = (
    "systemd-udev-trigger.service", "systemd-logind.service", "systemd-update-utmp.service", "systemd-pstore.service",
    "systemd-random-seed.service", "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer",
)  # fmt: skip
MAKE_S: Final = 900.0
INITRAMFS: Final = "MODULES=list\nCOMPRESS=zstd\nBOOT=nfs\n"
EARLY_MODULES: Final = ("virtio_pci", "virtio_net", "virtio_rng", "af_packet", "nfs", "nfsv3", "nfsv4")
SPARE_DRIVERS: Final = (
    "sound", "drivers/gpu", "drivers/media", "drivers/net/wireless", "drivers/net/ethernet", "drivers/infiniband",
    "drivers/scsi", "drivers/staging", "drivers/usb", "drivers/iio", "drivers/hwmon", "drivers/input", "drivers/mtd",
)  # fmt: skip
FIRMWARE_SIZES: Final = {
    "bootcode.bin": 52_456, "start.elf": 2_979_264, "fixup.dat": 7_314, "start4.elf": 2_255_616, "fixup4.dat": 5_456,
    "bcm2710-rpi-3-b.dtb": 34_228, "bcm2710-rpi-3-b-plus.dtb": 34_847, "bcm2711-rpi-4-b.dtb": 55_939,
    "bcm2712-rpi-5-b.dtb": 78_105, "overlays/overlay_map.dtb": 5_255, "overlays/disable-bt.dtbo": 1_073,
    "kernel8.img": 9_200_000, "kernel_2712.img": 9_300_000,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What one root file system has on top of a node's."""

    packages: tuple[str, ...] = ()
    kernel: bool = False  # Debian's kernel, with an initrd that mounts its root over NFS


RECIPES: Final = {
    "node": Recipe(),  # a Pi's, as far as a PC can be one
    "pxe": Recipe(packages=("linux-image-amd64", "initramfs-tools", "zstd"), kernel=True),
    "server": Recipe(packages=("nfs-kernel-server", "python3-minimal", "libpython3-stdlib")),
}


def root(name: str) -> Path:
    """Give a root file system of :data:`RECIPES`. It is shared: copy it, import it, or put an overlay on it."""
    recipe = RECIPES[name]
    key = key_of(SUITE, repr(recipe), Path(__file__).read_bytes())
    return cached(f"root-{name}", key, lambda into: _make(into, recipe)) / "root"


def _make(into: Path, recipe: Recipe) -> None:
    tree = into / "root"
    words = [*ALONE, "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join((*NODE, *recipe.packages))}"]
    words += [f"--dpkgopt={option}" for option in ("force-unsafe-io", *_left_out())]
    if recipe.kernel:
        words += [f"--essential-hook={hook}" for hook in _before_kernel()]
    masked = (*MASKED, *(MASKED_ON_PC if recipe.kernel else ()))
    words += [f'--customize-hook=chroot "$1" systemctl mask --quiet {" ".join(masked)}']
    words += [SUITE, str(tree), *map(str, _apt_sources())]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
    _leave_open(tree)
    if recipe.kernel:
        _slim(tree)
    else:
        _firmware(tree / "boot/firmware")


def _left_out() -> Iterator[str]:
    return (f"path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info"))


def _before_kernel() -> Iterator[str]:
    """Say what the initrd has to hold before the kernel's package makes it."""
    settings, modules = "$1/etc/initramfs-tools/conf.d", "$1/usr/share/initramfs-tools/modules.d"
    yield f"mkdir -p {settings} {modules}"
    yield f"printf '%s' '{INITRAMFS}' > {settings}/netboot"
    yield f"printf '%s\\n' {' '.join(EARLY_MODULES)} > {modules}/netboot"


def _apt_sources() -> list[Path]:
    """Give this machine's own lists of package sources."""
    apt = Path("/etc/apt")
    return [
        path for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*")))
        if path.suffix in {".list", ".sources"} and path.is_file()
    ]  # fmt: skip


def _leave_open(tree: Path) -> None:
    """Leave to whoever uses the image what must differ from node to node."""
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").write_text("")


def _slim(tree: Path) -> None:
    """Drop the drivers of hardware that a virtual machine has not: most of the kernel's size."""
    (modules,) = (tree / "lib/modules").iterdir()
    subprocess.run(["rm", "-rf", *(str(modules / "kernel" / name) for name in SPARE_DRIVERS)], check=True)
    subprocess.run(["depmod", "--basedir", str(tree), modules.name], check=True)


def _firmware(folder: Path) -> None:
    """Put boot files there as Raspberry Pi OS has them, by name and size; what is in them is only to be told apart."""
    (folder / "overlays").mkdir(parents=True)
    for name, size in FIRMWARE_SIZES.items():
        (folder / name).write_bytes(hashlib.shake_256(name.encode()).digest(size))
    (folder / "config.txt").write_text("arm_64bit=1\n[all]\ndtoverlay=disable-bt\n")
    (folder / "cmdline.txt").write_text("console=serial0,115200 console=tty1 root=PARTUUID=0-02 rootwait\n")
