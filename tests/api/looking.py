"""A look at nodes, as a daemon would find them: what it says depends on where the node is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graped.core.events import EvidenceSeen, SshSeen
from graped.engine import Engine
from graped.model import Power, SlotId, Stage


class Evidence:
    """Nodes that are up answer all that is asked, others that are on answer ping, the rest is silent."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def look(self, slots: Iterable[SlotId]) -> Mapping[SlotId, EvidenceSeen]:
        return {slot: self._of(slot) for slot in slots}

    def _of(self, slot: SlotId) -> EvidenceSeen:
        state = self.engine.state.slots[slot]
        if state.stage is Stage.UP:
            text = "link up, ping answers in 0.4 ms, SSH lets us in, a command ends well"
            return EvidenceSeen(slot=slot, at=0.0, link=True, ping=True, ssh=SshSeen.TRUSTED, command=True, text=text)
        if state.observed is Power.ON:
            text = "link up, ping answers in 0.4 ms, SSH connects and says nothing"
            return EvidenceSeen(slot=slot, at=0.0, link=True, ping=True, ssh=SshSeen.SILENT, text=text)
        text = "no link: ARP stays silent, ping stays silent, no SSH: no answer"
        return EvidenceSeen(slot=slot, at=0.0, link=False, ping=False, ssh=SshSeen.NONE, text=text)
