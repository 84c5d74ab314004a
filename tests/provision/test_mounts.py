"""Who has mounted a root, and whose connection is of a former life."""

from __future__ import annotations

from ipaddress import IPv4Address

from graped.model import SlotId, Stage
from graped.netboot.nfs.traffic import Connection
from graped.provision.mounts import Mounts

SLOT, OTHER = SlotId(0, 0), SlotId(0, 1)
ADDRESS, ELSE = IPv4Address("10.77.0.10"), IPv4Address("10.77.0.11")
OLD, NEW, ANEW = Connection(ADDRESS, 900, 1), Connection(ADDRESS, 901, 2), Connection(ADDRESS, 900, 3)
THEIRS = Connection(ELSE, 900, 4)


def seen(*looks: tuple[Stage | None, set[Connection]]) -> list[bool]:
    """Tell at which of these looks the slot has mounted its root."""
    mounts = Mounts()
    return [SLOT in set(mounts.look(there, {SLOT: (ADDRESS, stage)})) for stage, there in looks]


def test_a_connection_that_comes_while_it_boots_is_its_mount() -> None:
    looks = [(Stage.POWERED, set()), (Stage.DHCP, {THEIRS}), (Stage.TFTP, {THEIRS}), (Stage.KERNEL, {THEIRS, NEW})]
    assert seen(*looks) == [False, False, False, True]
    assert seen((Stage.DHCP, set()), (Stage.TFTP, {NEW})) == [False, True]  # what tells of the kernel may be late


def test_what_its_former_life_left_is_none() -> None:
    cut = [(Stage.UP, {OLD}), (Stage.POWERED, {OLD}), (Stage.TFTP, {OLD}), (Stage.KERNEL, {OLD})]
    assert seen(*cut) == [False] * 4
    assert seen(*cut, (Stage.KERNEL, {OLD, NEW}))[-1]
    assert seen(*cut, (Stage.KERNEL, {ANEW}))[-1]  # from the same port
    assert seen(*cut, (Stage.KERNEL, set()), (Stage.KERNEL, {OLD}))[-1]  # told from it by nothing but a gap


def test_each_life_has_its_own() -> None:
    first = [(Stage.DHCP, set()), (Stage.KERNEL, {OLD}), (Stage.UP, {OLD})]
    again = [(Stage.POWERED, {OLD}), (Stage.TFTP, {OLD}), (Stage.KERNEL, {OLD, NEW})]
    assert seen(*first, *again) == [False, True, False, False, False, True]


def test_a_boot_that_was_begun_unseen_is_taken_as_it_is() -> None:
    assert seen((Stage.KERNEL, {NEW})) == [True]


def test_nodes_are_told_apart() -> None:
    nodes = {SLOT: (ADDRESS, Stage.KERNEL), OTHER: (ELSE, Stage.KERNEL)}
    assert set(Mounts().look({THEIRS}, nodes)) == {OTHER}
