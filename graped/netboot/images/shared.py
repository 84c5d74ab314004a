"""What may be on one machine only, and so is taken out of what many machines share. Pure: a tree in, edits out."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from graped.netboot.blocks import with_block
from graped.netboot.images.edits import Edit, Link, Remove, RemoveFolder, Write
from graped.netboot.images.tree import Tree

PER_MACHINE: Final = (  # patterns: keys, client ids, leases and seeds that tell machines apart
    "etc/ssh/ssh_host_*_key",
    "etc/ssh/ssh_host_*_key.pub",
    "etc/dhcpcd.duid",
    "etc/systemd/timesyncd.conf.d/grape.conf",
    "var/lib/dhcpcd/*",
    "var/lib/dhcpcd5/*",
    "var/lib/dhcp/*.lease*",
    "var/lib/NetworkManager/secret_key",
    "var/lib/NetworkManager/*.lease",
    "var/lib/NetworkManager/timestamps",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/network/*",
    "run/*.pid",
)
WITH_BLOCKS: Final = ("etc/hosts", "etc/fstab", "root/.ssh/authorized_keys")  # files with lines of Grape's in them
OUR_FOLDERS: Final = ("root/.ssh", "etc/systemd/timesyncd.conf.d")  # made for a node's files where there were none
POLICY: Final = "usr/sbin/policy-rc.d"
POLICY_TEXT: Final = (
    "#!/bin/sh\n# Made by Grape while a command runs in an image: no service is started there.\nexit 101\n"
)


def per_machine_files(tree: Tree) -> Iterator[Edit]:
    """Remove what only one machine may have; its next owner gets or makes its own."""
    for pattern in PER_MACHINE:
        folder, _, last = pattern.rpartition("/")
        for name in fnmatch.filter(tree.names(folder), last):
            if not tree.is_folder(f"{folder}/{name}"):
                yield Remove(path=f"{folder}/{name}")


def machine_id(tree: Tree) -> Iterator[Edit]:
    """Empty the machine id: systemd takes that for "none yet". The copy that D-Bus may have becomes a link."""
    yield Write(path="etc/machine-id", content=b"", mode=0o444)
    if tree.status("var/lib/dbus/machine-id") is not None:
        yield Link(path="var/lib/dbus/machine-id", target="/etc/machine-id")


def lines_of_grape(tree: Tree) -> Iterator[Edit]:
    """Take out the lines that a node was given; what people wrote into these files stays."""
    for name in WITH_BLOCKS:
        text = tree.text(name)
        if text is None:
            continue
        without = with_block(text, ())
        if not without and text:
            yield Remove(path=name)
        elif without != text and text.endswith("\n"):
            yield Write(path=name, content=without.encode(errors="surrogateescape"))


def our_folders(tree: Tree) -> Iterator[Edit]:
    """Remove the folders that were made for a node's files, when those are gone and nothing else is there."""
    del tree
    for name in OUR_FOLDERS:
        yield RemoveFolder(path=name)


def policy(tree: Tree) -> Iterator[Edit]:
    """Remove what a command that was killed has left of ours."""
    if tree.text(POLICY) == POLICY_TEXT:
        yield Remove(path=POLICY)


STEPS: Final = (per_machine_files, machine_id, lines_of_grape, our_folders, policy)
