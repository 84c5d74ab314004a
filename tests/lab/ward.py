"""A cluster to be healed and worked with: Pis that netboot real kernels, and Pis with a card of their own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from graped.network.ssh_keys import KeyRing
from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.card_pi import CardPi
from tests.lab.cluster import Cluster, address
from tests.lab.machines import Pi, Uml
from tests.lab.network import Network
from tests.lab.rack import Slot
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Login

NETBOOTING: Final = 0  # the stack of Pis that netboot
CARDED: Final = 1  # the stack of those with a card
UP_S: Final = 240.0
CUT_S: Final = 60.0
# Deadlines of a machine with two busy cores; the switching is as quick as the rack can be.
QUICK: Final = """
[power]
stagger_s = 0.2
inrush_s = 0.5
cycle_off_s = 0.5
[netboot.deadlines]
kernel_s = 180
root_s = 240
"""
IMAGE: Final = "pi"


class Ward(Cluster):
    """graped with its servers, all slots off: ``pis`` worker-0-N that netboot, ``cards`` worker-1-N that need not.

    A name leads to its machine: ``ward.pis["worker-0-0"]``, ``ward.cards["worker-1-0"]``. graped may log in on all of
    them, and has pinned their keys; so may the lab: ``ward.login_to("worker-1-0").do("hostname")``. ``more`` is
    appended to the configuration.
    """

    def __init__(self, run: Run, *, pis: int = 0, cards: int = 0, more: str = QUICK, rom: Rom = Rom.PI4) -> None:
        network = Network(run)
        netbooting = {(NETBOOTING, slot): board(slot, rom) for slot in range(pis)}
        carded = {(CARDED, slot): f"dc:a6:32:00:01:{slot:02x}" for slot in range(cards)}
        macs = {slot: one.mac for slot, one in netbooting.items()}
        super().__init__(run, network, {**macs, **carded}, more, carded=carded)
        loop = Loop()
        run.at_end(loop.close)
        self.keys = KeyRing(run.folder("rack") / "state/ssh")
        self.slots: dict[str, Slot] = {name_of(slot): slot for slot in (*netbooting, *carded)}
        self.pis = {name_of(slot): pi(network, loop, one, slot) for slot, one in netbooting.items()}
        self.cards = {name_of(slot): self._card(slot, mac) for slot, mac in carded.items()}

    def _card(self, slot: Slot, mac: str) -> CardPi:
        let_in = (self.keys.cluster_public_key(), self.key.public)
        card = CardPi(self.network, name_of(slot), address(slot), mac=mac, keys=let_in)
        self.keys.pin(name_of(slot), (card.host_key,))
        return card

    def begin(self) -> None:
        """Start graped and its servers; with Pis that netboot, give each a root on :data:`IMAGE`."""
        machines: Mapping[str, Pi | CardPi] = {**self.pis, **self.cards}
        self.start({self.slots[name]: machine for name, machine in machines.items()})
        if self.pis:
            self.cli("node", "set", ",".join(self.pis), "--image", self.image(root("node"), IMAGE))

    # --- power --------------------------------------------------------------------------------------------

    def up(self, *names: str, timeout_s: float = UP_S) -> float:
        """Have these nodes on and up, whatever they are now; tell how long that took."""
        started = time.monotonic()
        self.cli("power", "on", ",".join(names), "--wait")
        self.wait_stage("up", *names, timeout_s=timeout_s)
        return time.monotonic() - started

    def down(self, *names: str) -> None:
        """Have these nodes off at once, without a word to them."""
        self.cli("power", "off", ",".join(names), "--wait", "--force", "--yes")
        self.wait_cut(*names)

    def wait_cut(self, *names: str, timeout_s: float = CUT_S) -> None:
        """Wait until these machines have lost their power: that is a moment after graped has told that they are off."""
        self.until(lambda: all(self.rack.cut(self.slots[name]) for name in names), timeout_s, f"{names} are off")

    def wait_stage(self, stage: str, *names: str, timeout_s: float = UP_S) -> None:
        """Wait until each of these nodes is at a boot stage."""
        self.until(lambda: all(self.stages().get(name) == stage for name in names), timeout_s, f"{names} are {stage}")

    def panic(self, name: str) -> None:
        """Have the kernel of a Pi that is up panic."""
        kernel = self.pis[name].kernel
        assert kernel is not None
        # Nobody waits for the end of that login: it has none.
        self.master.place.spawn(
            *self.login_to(name).command("echo c > /proc/sysrq-trigger"), log=self.run.room / "panic"
        )
        kernel.wait_for("Kernel panic - not syncing", CUT_S)
        kernel.wait_off(CUT_S)

    def login_to(self, name: str) -> Login:
        """Log in to a node with the lab's key, by the host keys that graped has pinned."""
        return self.login(self.slots[name])


def name_of(slot: Slot) -> str:
    """The name of the node in a slot."""
    return f"worker-{slot[0]}-{slot[1]}"


def board(number: int, rom: Rom = Rom.PI4) -> Board:
    """Give a board that is like no other one."""
    return Board(rom=rom, mac=f"dc:a6:32:00:00:{number:02x}", serial=f"{0x10000000 + number:08x}")


def pi(network: Network, loop: Loop, one: Board, slot: Slot) -> Pi:
    """Give a Pi with a real kernel."""
    kernel = Uml(network, f"uml-{slot[0]}-{slot[1]}", one.mac)
    return Pi(network, loop, one, name_of(slot), kernel=kernel)
