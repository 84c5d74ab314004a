"""The boot script of a PC."""

from __future__ import annotations

import pytest

from graped.errors import BadImage
from graped.netboot.tftp.ipxe import Boot, choose, script


@pytest.mark.parametrize(
    ("names", "kernel", "initrd"),
    [
        (["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-18-amd64", "initrd.img-6.1.0-9-amd64", "initrd.img-6.1.0-18-amd64"],
         "vmlinuz-6.1.0-18-amd64", "initrd.img-6.1.0-18-amd64"),
        (["vmlinuz-6.10.2", "vmlinuz-6.9.12", "initrd.img-6.9.12"], "vmlinuz-6.10.2", None),
        (["vmlinuz-6.1", "vmlinuz-6.2.old", "grub/vmlinuz-9", "config-7", "System.map-7"], "vmlinuz-6.1", None),
        (["vmlinuz", "initrd.img"], "vmlinuz", "initrd.img"),
        (["vmlinuz-linux", "initramfs-linux.img"], "vmlinuz-linux", "initramfs-linux.img"),
        (["vmlinuz-5.14.0-70.el9.x86_64", "initramfs-5.14.0-70.el9.x86_64.img"],
         "vmlinuz-5.14.0-70.el9.x86_64", "initramfs-5.14.0-70.el9.x86_64.img"),
    ],
)  # fmt: skip
def test_the_newest_kernel_and_its_own_initrd(names: list[str], kernel: str, initrd: str | None) -> None:
    assert choose(names) == Boot(kernel, initrd)


def test_an_image_without_a_kernel_is_told() -> None:
    with pytest.raises(BadImage, match="no kernel"):
        choose(["kernel8.img", "start4.elf"])


def test_a_script_with_and_without_an_initrd() -> None:
    assert script(Boot("vmlinuz-6", "initrd.img-6"), "root=/dev/nfs rw") == (
        "#!ipxe\n# Written by graped.\nkernel vmlinuz-6 initrd=initrd.img-6 root=/dev/nfs rw\n"
        "initrd initrd.img-6\nboot\n"
    )
    assert script(Boot("vmlinuz-6", None), "root=/dev/nfs rw") == (
        "#!ipxe\n# Written by graped.\nkernel vmlinuz-6 root=/dev/nfs rw\nboot\n"
    )
