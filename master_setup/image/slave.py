"""What nodes boot over the network, as a recipe: kernel, an initrd that mounts its root by NFS, systemd, SSH. Pure.

Nothing in it is of one machine, and nobody can log in: graped gives each node its host keys and authorized keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from master_setup.image.recipe import Addition, Recipe, TreeFile

# What a node needs to come up, be seen as up, and keep its time.
MINIMAL: Final = (
    "systemd", "systemd-sysv", "systemd-timesyncd", "udev", "dbus", "kmod", "initramfs-tools", "zstd",
    "openssh-server", "iproute2",
)  # fmt: skip
# What people who log in to a node expect, and what Docker wants to find.
FULL: Final = (
    *MINIMAL, "libpam-systemd", "procps", "psmisc", "iputils-ping", "netbase", "ca-certificates", "curl", "rsync",
    "sudo", "less", "nano", "vim-tiny", "htop", "bash-completion", "tzdata", "xz-utils", "e2fsprogs", "iptables",
)  # fmt: skip
KERNELS: Final = {"amd64": "linux-image-amd64", "arm64": "linux-image-arm64", "armhf": "linux-image-armmp"}
FIRMWARE: Final = ("raspi-firmware",)  # of a Raspberry Pi: its boot files, and a hook that puts the kernel beside them
FIRMWARE_COMPONENT: Final = "non-free-firmware"
LEFT_OUT: Final = tuple(f"/usr/share/{name}/*" for name in ("man", "doc", "info", "locale", "lintian"))
ROOT_MODULES: Final = ("af_packet", "nfs", "nfsv3", "nfsv4")
PC_MODULES: Final = (
    "virtio_pci", "virtio_net", "virtio_rng", "e1000", "e1000e", "igb", "igc", "ixgbe", "r8169", "tg3", "bnx2",
    "8139cp", "8139too", "vmxnet3", "atlantic", "alx", "sky2",
)  # fmt: skip
PI_MODULES: Final = (  # 3B: dwc2, smsc95xx; 3B+: lan78xx; 4: bcmgenet
    "clk-raspberrypi", "reset-raspberrypi", "gpio-raspberrypi-exp", "dwc2", "xhci_pci", "pcie-brcmstb", "usbnet",
    "smsc95xx", "lan78xx", "microchip", "genet", "bcmgenet", "mdio-bcm-unimac", "broadcom",
)  # fmt: skip


def recipe(
    *,
    suite: str,
    arch: str,
    full: bool = True,
    kernel: str = "",
    packages: tuple[str, ...] = (),
    components: tuple[str, ...] = (),
    sources: str = "",
    files: tuple[Addition, ...] = (),
) -> Recipe:
    """Give the recipe of a slave; ``packages`` and ``files`` are the user's own, put in last."""
    pi = arch != "amd64"
    needed = ("main", FIRMWARE_COMPONENT) if pi else ("main",)
    return Recipe(
        suite=suite,
        arch=arch,
        packages=package_names(arch, full=full, kernel=kernel, more=packages),
        components=tuple(dict.fromkeys((*needed, *components))),
        sources=sources,
        early=tuple(_early(pi=pi, full=full)),
        files=(TreeFile(path="/etc/hostname", content=b""), *files),
        hooks=tuple(_leave_open()),
        left_out=() if full else LEFT_OUT,
    )


def package_names(arch: str, *, full: bool, kernel: str = "", more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Name the packages that are asked for, sorted: what they depend on comes with them."""
    listed = FULL if full else MINIMAL
    return tuple(sorted({*listed, kernel or KERNELS[arch], *(FIRMWARE if arch != "amd64" else ()), *more}))


def _early(*, pi: bool, full: bool) -> Iterator[Addition]:
    """Give what has to be there before the kernel's package makes its initrd and the firmware's hook runs."""
    # "netboot": every network card that Debian knows. A list: a quarter of the size, and of the time by TFTP.
    settings = f"# Made by Grape\nMODULES={'netboot' if full else 'list'}\nCOMPRESS=zstd\nBOOT=nfs\n"
    yield _text("/etc/initramfs-tools/conf.d/grape", settings)
    modules = (*ROOT_MODULES, *(PI_MODULES if pi else PC_MODULES))
    yield _text("/usr/share/initramfs-tools/modules.d/grape", "".join(f"{name}\n" for name in modules))
    if pi:  # CMA: the same image boots a 3, which could do with it, and a 4, which does not boot with it
        firmware = "# Made by Grape\nCMA=0\nROOTPART=/dev/nfs\nCONSOLES='ttyS1,115200 tty0'\n"
        yield _text("/etc/default/raspi-firmware", firmware)


def _leave_open() -> Iterator[tuple[str, ...]]:
    """Give what is run last: what has to differ from node to node is in no image."""
    yield ("find", "/etc/ssh", "-name", "ssh_host_*", "-delete")
    yield ("truncate", "--size=0", "/etc/machine-id")
    yield ("rm", "-f", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed")


def _text(path: str, text: str) -> TreeFile:
    return TreeFile(path=path, content=text.encode())
