"""What the firmware and the kernel of a Pi are told, in the words of Debian's raspi-firmware. Pure.

Its kernel hook writes ``config.txt`` and ``cmdline.txt`` anew with each kernel, out of three files in /etc/default.
Source: raspi-firmware 1.20220830, /etc/kernel/postinst.d/z50-raspi-firmware.
"""

from __future__ import annotations

from typing import Final

SETTINGS: Final = "/etc/default/raspi-firmware"
CONFIG: Final = "/etc/default/raspi-firmware-custom"  # added to config.txt
CMDLINE: Final = "/etc/default/raspi-extra-cmdline"  # added to cmdline.txt: one line, no comments
HOOK: Final = "/etc/kernel/postinst.d/z50-raspi-firmware"
# ttyS1 is the serial line on the header of a Pi 3 and 4; the last console is the one that asks for help.
CONSOLES: Final = "tty0 ttyS1,115200"


def settings(root_partuuid: str) -> str:
    """Say where the root is, and which words fit both a Pi 3 and a Pi 4.

    The hook asks the machine that it runs on whether it is a Pi 4, which takes no ``cma=``; while an image is made
    that is some other machine. Without the word each board takes what its device tree says.
    """
    return f'# Made by Grape\nROOTPART="PARTUUID={root_partuuid}"\nCONSOLES="{CONSOLES}"\nCMA=0\n'


def custom(lines: tuple[str, ...]) -> str:
    """Say what is added to config.txt."""
    return "\n".join(("# Made by Grape", *lines)) + "\n"


def fstab(boot_partuuid: str, root_partuuid: str) -> str:
    """Name the partitions of the card."""
    rows = (
        ("# Made by Grape", ""),
        (f"PARTUUID={root_partuuid}", "/              ext4  defaults,noatime                   0 1"),
        (f"PARTUUID={boot_partuuid}", "/boot/firmware vfat  defaults,nofail,flush,umask=0022   0 2"),
    )
    return "".join(f"{first} {rest}".rstrip() + "\n" for first, rest in rows)
