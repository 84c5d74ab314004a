"""Blocking work on the roots of single nodes, as chores do it: made, reset, kept, gone back to, committed."""

from __future__ import annotations

from collections.abc import Callable

from graped.core.state import State
from graped.errors import NetbootOff, NodeOn, NotFound
from graped.model import Power, SlotId
from graped.netboot.images import commit
from graped.netboot.plan import NetPlan, NodePlan, plan
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.volumes import ensure_volume
from graped.provision.edges import Edges
from graped.provision.identities import identity_of
from graped.provision.wanted import fits
from graped.work import Work


class RootWork:
    """Each method works on one node and returns what is told of it.

    ``state`` gives the newest snapshot; ``pin`` sets the image of a node, so that what it was rolled back to is also
    what is wanted of it. Both may be called from any thread.
    """

    def __init__(self, edges: Edges, state: Callable[[], State], pin: Callable[[SlotId, str], None]) -> None:
        self._edges = edges
        self._state = state
        self._pin = pin

    def make(self, slot: SlotId, work: Work) -> str:
        """Give a node the root that the configuration wants, beside the one it may be running on."""
        layout, node = self._node(slot)
        self._volume(layout, node)
        roots, before = self._edges.roots, self._edges.roots.get(node.name)
        if not node.image:
            return "no image is set"
        if fits(node, before):
            return "as it was"
        image = self._edges.images.find(node.image)
        record = roots.create(node.name, image, node.strategy, self._identity(layout, node), work)
        return f"{record.image} ({record.strategy})" + self._when(slot, first=before is None)

    def reset(self, slot: SlotId, work: Work) -> str:
        """Give a node a fresh root of the image version that it has."""
        layout, node = self._node(slot)
        self._volume(layout, node)
        made = self._edges.roots.reset(node.name, self._identity(layout, node), work)
        return f"fresh {made.image}; the old root is kept" + self._when(slot)

    def snapshot(self, slot: SlotId, label: str, work: Work) -> str:
        """Keep a copy of a node's root. Raises: NodeOn."""
        _, node = self._node(slot)
        self.needs_off(slot)
        record = self._edges.roots.snapshot(node.name, label, work)
        return f"kept as {record.kept[-1].label}"

    def rollback(self, slot: SlotId, label: str | None, work: Work) -> str:
        """Go back to a kept root. Raises: NodeOn."""
        layout, node = self._node(slot)
        self.needs_off(slot)
        record = self._edges.roots.rollback(node.name, label, self._identity(layout, node), work)
        if not fits(node, record):
            self._pin(slot, record.image)
        return f"back on {record.image}"

    def drop(self, slot: SlotId, label: str) -> str:
        """Give up one kept root of a node. Raises: NotFound."""
        _, node = self._node(slot)
        self._edges.roots.drop(node.name, label)
        self._edges.roots.retire(node.name)
        return f"{label} is given up"

    def commit(self, slot: SlotId, name: str, work: Work) -> str:
        """Make a new image version of what a node has changed; return its ref. Raises: NodeOn."""
        _, node = self._node(slot)
        self.needs_off(slot)
        record = self._edges.roots.known(node.name)
        base = self._edges.images.find(record.image)
        tree = self._edges.roots.export_path(node.name)
        return commit.commit(self._edges.images, base, tree, name, work).ref

    def needs_off(self, slot: SlotId) -> None:
        """Refuse while a node may be running. Raises: NodeOn."""
        state = self._state()
        if state.slots[slot].observed is not Power.OFF:
            name, power = state.config.node_name(slot), state.slots[slot].observed.value
            raise NodeOn(f"{name} is {power}: its root may be in use", hint=f"grapecli power off {name} --wait")

    def _node(self, slot: SlotId) -> tuple[NetPlan, NodePlan]:
        """Find a node in the plan of now. Raises: NetbootOff, NotFound."""
        state = self._state()
        layout = plan(state.config)
        for node in layout.nodes:
            if node.slot == slot:
                return layout, node
        name = state.config.node_name(slot)
        raise NotFound(f"{name} has no MAC address, so it cannot netboot", hint="Give its device a mac.")

    def _identity(self, layout: NetPlan, node: NodePlan) -> Identity:
        return identity_of(node, layout, self._state().config, self._edges.keys)

    def _volume(self, layout: NetPlan, node: NodePlan) -> None:
        if node.docker_bytes:
            off = self._state().slots[node.slot].observed is Power.OFF
            ensure_volume(layout.folder, node.name, node.docker_bytes, self._edges.runner, node_off=off)

    def _when(self, slot: SlotId, *, first: bool = False) -> str:
        running = self._state().slots[slot].observed is not Power.OFF
        return "; from its next boot on" if running and not first else ""


def must_be_active(state: State) -> None:
    """Refuse what needs servers and roots. Raises: NetbootOff."""
    if not state.config.netboot.active:
        raise NetbootOff(
            "netbooting is not switched on", hint="Set netboot.active, interface and address in the configuration."
        )
