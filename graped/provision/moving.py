"""Nodes moved to another image, and back to the very root that they had: what a rollout does to roots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from graped.config import settings
from graped.config.types import Boot, Strategy
from graped.core.state import State
from graped.errors import Conflict, NotFound
from graped.model import SlotId
from graped.netboot.plan import plan
from graped.netboot.roots.records import RootRecord
from graped.provision.edges import Edges
from graped.provision.rootwork import RootWork, must_be_active
from graped.work import Work


class Moving:
    """What blocks is called in threads; ``pin`` sets the image of a node, None: as the configuration files say.

    While a node is moved, a chore has to name it: the steward makes no root for it meanwhile.
    """

    def __init__(
        self,
        edges: Edges,
        state: Callable[[], State],
        work: RootWork,
        pin: Callable[[SlotId, str | None], None],
        served: Callable[[], Awaitable[None]],
    ) -> None:
        self._edges = edges
        self._state = state
        self._work = work
        self._pin = pin
        self._served = served

    async def served(self) -> None:
        """Wait until what was moved can be booted."""
        await self._served()

    def find(self, image: str) -> str:
        """Give the full ref of a version. Raises: NetbootOff, NotFound, Conflict."""
        must_be_active(self._state())
        return self._edges.images.find(image).ref

    def why_not(self, slot: SlotId) -> str:
        """Say why a node has no root that could be exchanged; "" it has, or gets one. Raises: NetbootOff."""
        node = next((one for one in plan(self._state().config).nodes if one.slot == slot), None)
        if node is None:
            return "it has no MAC address, so it cannot netboot"
        return "it boots from its own disk" if node.boot is Boot.LOCAL else ""

    def root(self, slot: SlotId) -> RootRecord | None:
        """Read what is known of a node's root (blocks)."""
        return self._edges.roots.get(self._name(slot))

    def move(self, slot: SlotId, image: str, work: Work) -> str:
        """Give a node a root on ``image`` beside the one it has (blocks).

        Raises what making it raises, and then the node is to have what it was to have before.
        """
        before = settings.read(self._state().config.store.state_dir / settings.FILE).get(slot, {}).get("image")
        self._pin(slot, image)
        try:
            told = self._work.make(slot, work)
            if (made := self.root(slot)) is None or made.image != image:
                raise Conflict(f"{self._name(slot)} does not boot over the network", hint="grapecli node show says how")
        except BaseException:
            self._pin(slot, before)
            raise
        return told

    def back(self, slot: SlotId, generation: str, image: str, work: Work) -> str:
        """Give a node that is off the very root back that it had, with all that it had changed (blocks).

        An ephemeral root has nothing to keep: such a node gets a fresh one on the image it had. Raises: NodeOn;
        NotFound, where the root is gone: a fresh one in its place would be no way back.
        """
        record = self._edges.roots.known(self._name(slot))
        if record.generation == generation:
            self._pin(slot, record.image)
            return f"on {record.image} still"
        kept = next((one for one in record.kept if one.generation == generation), None)
        if kept is not None:
            return self._work.rollback(slot, kept.label, work)
        if record.strategy is Strategy.EPHEMERAL:
            self.move(slot, image, work)
            return f"on {image} again; it keeps nothing"
        raise NotFound(
            f"{self._name(slot)}: its former root is not kept any more", hint="grapecli node show lists what is"
        )

    def _name(self, slot: SlotId) -> str:
        return self._state().config.node_name(slot)
