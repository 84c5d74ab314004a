"""The interface by which the root comes is configured by the kernel: nobody may touch it. Pure: a tree in, edits out.

NetworkManager, systemd-networkd and systemd-resolved are told at each boot, by a generator, which interface that is;
ifupdown and dhcpcd have no such place, so their own files are changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graped.netboot.images.edits import Edit, Link, Write
from graped.netboot.images.parts import part
from graped.netboot.images.tree import Tree

GENERATOR: Final = "usr/lib/systemd/system-generators/grape-netboot"
RESOLV: Final = "/run/grape/resolv.conf"  # made by the generator
INTERFACES: Final = "etc/network/interfaces"
DHCPCD: Final = "etc/dhcpcd.conf"
DHCPCD_LINES: Final = (
    "# Made by Grape: the root comes over the network, keep what the kernel has set",
    "nolink",  # a cable that is out for a moment takes no address away
    "persistent",  # nor does the end of dhcpcd
)


def generator(tree: Tree) -> Iterator[Edit]:
    """Put in the program that says, before anything else runs, which interface nobody may touch."""
    del tree
    yield Write(path=GENERATOR, content=part("netboot-generator.sh"), mode=0o755)


def resolver(tree: Tree) -> Iterator[Edit]:
    """Have names looked up where the kernel was told to; systemd-resolved is told by the generator instead."""
    if "systemd/resolve/" not in (tree.target("etc/resolv.conf") or ""):
        yield Link(path="etc/resolv.conf", target=RESOLV)


def ifupdown(tree: Tree) -> Iterator[Edit]:
    """Have ifupdown neither bring up nor take down a wired interface."""
    more = [f"{INTERFACES}.d/{name}" for name in tree.names(f"{INTERFACES}.d")]
    for path in (INTERFACES, *more):
        text = tree.text(path)
        if text is not None and not tree.is_folder(path):
            yield Write(path=path, content=hands_off(text).encode(errors="surrogateescape"))


def hands_off(text: str) -> str:
    """Take wired interfaces out of the lines by which ifupdown starts and stops them. Source: interfaces(5)."""
    return "".join(f"{_hands_off(line)}\n" for line in text.splitlines())


def _hands_off(line: str) -> str:
    words = line.split()
    if not words or not (words[0] == "auto" or words[0].startswith("allow-")):
        return line
    kept = [name for name in words[1:] if not name.startswith(("e", "/e"))]  # eth0, enp1s0, end0, /eth*
    if len(kept) == len(words) - 1:
        return line
    return " ".join([words[0], *kept]) if kept else f"# grape: {line.strip()}"


def dhcpcd(tree: Tree) -> Iterator[Edit]:
    """Have dhcpcd keep the address whatever happens to the link or to itself."""
    text = tree.text(DHCPCD)
    if text is None or set(DHCPCD_LINES) <= set(text.splitlines()):
        return
    # Options of the whole file come before its first interface or profile.
    yield Write(path=DHCPCD, content=("\n".join([*DHCPCD_LINES, text])).encode(errors="surrogateescape"))


STEPS: Final = (generator, resolver, ifupdown, dhcpcd)
