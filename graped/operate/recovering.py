"""Recovery's settings of nodes: quarantine, release, mode. The policy is graped.core.recovery."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from graped.config.types import Config
from graped.core.events import RecoveryReleased
from graped.errors import ConfigError
from graped.model import SlotId
from graped.operate.house import House

log = logging.getLogger("graped.recovery")


class Recovering:
    """Implements ``api.operations.Recovering``, and keeps what the core puts into quarantine."""

    def __init__(self, house: House) -> None:
        self._house = house
        house.engine.keep_quarantine = self._keep

    def quarantine(self, slots: Sequence[SlotId], reason: str, *, by: str) -> None:
        """Have recovery leave nodes alone. Raises: ConfigError, and then nothing has changed."""
        self._house.set_devices({slot: {"quarantine": reason} for slot in slots})
        for slot in slots:
            self._tell(slot, "node.quarantine", f"is in quarantine, asked by {by}: {reason}", why=reason, by=by)

    def release(self, slots: Sequence[SlotId], *, by: str) -> None:
        """Release nodes from quarantine, whoever put them there. Raises: ConfigError, and then nothing has changed."""
        house = self._house
        before = {slot: _reason(house.state.config, slot) or self._pending(slot) for slot in slots}
        house.set_devices({slot: {"quarantine": None} for slot in slots})
        if in_files := [slot for slot in slots if _reason(house.state.config, slot)]:
            house.set_devices({slot: {"quarantine": ""} for slot in in_files})
        house.engine.post(RecoveryReleased(slots=frozenset(slots)))
        for slot, reason in before.items():
            if reason:
                self._tell(slot, "node.released", f"is released from quarantine by {by}; it was: {reason}",
                           why=reason, by=by)  # fmt: skip

    def set_mode(self, slots: Sequence[SlotId], mode: str | None, *, by: str) -> None:
        """Set what is done about nodes in trouble; None: as the files say. Raises: ConfigError."""
        self._house.set_devices({slot: {"recovery": mode} for slot in slots})
        words = f"has recovery mode {mode}" if mode else "is recovered as the configuration files say"
        for slot in slots:
            self._tell(slot, "node.recovery", f"{words}, asked by {by}", mode=mode, by=by)

    def _keep(self, slot: SlotId, reason: str) -> None:
        """Set what the core decided. It holds without that, too, until graped ends."""
        try:
            self._house.set_devices({slot: {"quarantine": reason}})
        except (ConfigError, OSError) as error:
            log.warning("the quarantine of %s is forgotten at the next start: %s", self._name(slot), error)

    def _pending(self, slot: SlotId) -> str:
        entry = self._house.state.recovery.get(slot)
        return entry.quarantine if entry else ""

    def _name(self, slot: SlotId) -> str:
        return self._house.state.config.node_name(slot)

    def _tell(self, slot: SlotId, kind: str, words: str, **fields: object) -> None:
        name = self._name(slot)
        self._house.journal.append(kind, f"{name} {words}", stack=slot.stack, node=name, fields=fields)


def _reason(config: Config, slot: SlotId) -> str:
    device = config.cluster.stacks[slot.stack].devices.get(slot.slot)
    return (device.quarantine or "") if device else ""
