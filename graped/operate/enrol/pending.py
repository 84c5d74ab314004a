"""MAC addresses that nobody knows: they wait here until somebody gives them a slot, or rejects them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from graped.api.enrol_types import PendingMac, Seated
from graped.api.times import rfc3339
from graped.config.types import Model
from graped.errors import NotFound
from graped.files import write_atomic
from graped.model import SlotId
from graped.netboot.dhcp.render import PI_MAKERS
from graped.operate.enrol.ears import Ears
from graped.operate.enrol.seating import Seating, mac_of
from graped.operate.house import House
from graped.provision.sightings import MacHeard

log = logging.getLogger("graped.operate")

FILE: Final = "pending.json"
KEPT: Final = 200  # of those that wait, and of those that were rejected; the ones heard last
SAVE_S: Final = 5.0  # a network may be loud, and a disk be an SD card
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """One MAC address; times are unix seconds."""

    mac: str
    first: float
    last: float
    count: int = 1
    vendor: str = ""
    model: str | None = None
    serial: str | None = None
    rejected: bool = False


class Pending:
    """Everything belongs to the loop's thread. What waits, and who was rejected, survives a restart."""

    def __init__(self, house: House, ears: Ears, seating: Seating) -> None:
        self._house = house
        self._seating = seating
        self._file = house.state.config.store.state_dir / FILE
        self._strangers = _read(self._file)
        self._saved = dict(self._strangers)
        ears.listen(self.hear)

    async def run(self) -> None:
        """Write down what waits now and then, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self._save()

    def hear(self, who: MacHeard) -> None:
        """Take note of somebody whom nobody knows."""
        now = self._house.clock.wall()
        if self._seating.slot_of(who.mac) is not None:
            if who.mac in self._strangers:
                del self._strangers[who.mac]
            return
        old = self._strangers.get(who.mac)
        if old is None and not who.asked:
            return
        old = old or Stranger(mac=who.mac, first=now, last=now, count=0)
        self._strangers[who.mac] = replace(
            old, last=now, count=old.count + who.asked, vendor=who.vendor or old.vendor,
            model=who.model or old.model, serial=who.serial or old.serial,
        )  # fmt: skip
        self._forget()

    def list(self, *, all_of_them: bool = False) -> Sequence[PendingMac]:
        """Tell who waits, the one heard last at the end; ``all_of_them``: the rejected ones, too."""
        known = [one for one in self._strangers.values() if self._seating.slot_of(one.mac) is None]
        return tuple(
            PendingMac(
                mac=one.mac, vendor=one.vendor, maker="Raspberry Pi" if one.mac[:8] in PI_MAKERS else "",
                model=None if one.model is None else Model(one.model).value, serial=one.serial,
                first_seen=rfc3339(one.first), last_seen=rfc3339(one.last), count=one.count, rejected=one.rejected,
            )
            for one in sorted(known, key=lambda one: (one.last, one.mac))
            if all_of_them or not one.rejected
        )  # fmt: skip

    def last_heard(self) -> dict[str, float]:
        """Tell when each of them was heard last, in monotonic seconds."""
        shift = self._house.clock.wall() - self._house.clock.monotonic()
        return {one.mac: one.last - shift for one in self._strangers.values()}

    async def approve(self, text: str, slot: SlotId, *, by: str) -> Seated:
        """Give one that waits a slot that has none. Raises: NotFound, Conflict, ConfigError, RequestError."""
        mac = self._waiting(text)
        return await self.seat(mac, slot, by=by, replace=False)

    async def seat(self, text: str, slot: SlotId, *, by: str, replace: bool = True) -> Seated:
        """Give any MAC address a slot, in place of what it has. Raises: Conflict, ConfigError, RequestError."""
        mac = mac_of(text)
        was, draft = await self._seating.seat(slot, mac, by=by, replace=replace)
        self._strangers.pop(mac, None)
        await self._save()
        return Seated(name=self._house.state.config.node_name(slot), mac=mac, was=was, file=str(draft.file))

    async def reject(self, text: str, *, by: str) -> PendingMac:
        """Show a MAC address no more. Raises: NotFound, RequestError."""
        mac = self._waiting(text)
        self._strangers[mac] = replace(self._strangers[mac], rejected=True)
        self._house.journal.append("enrol.rejected", f"{mac} was rejected by {by}", fields={"mac": mac, "by": by})
        await self._save()
        return next(one for one in self.list(all_of_them=True) if one.mac == mac)

    def _waiting(self, text: str) -> str:
        mac = mac_of(text)
        if mac not in self._strangers or self._seating.slot_of(mac) is not None:
            raise NotFound(f"{mac} does not wait for a slot", hint="grapecli node pending --all lists who does.")
        return mac

    def _forget(self) -> None:
        for rejected in (False, True):
            kind = [one for one in self._strangers.values() if one.rejected is rejected]
            if len(kind) > KEPT:
                del self._strangers[min(kind, key=lambda one: one.last).mac]

    async def _save(self) -> None:
        if self._strangers == self._saved:
            return
        saved = dict(self._strangers)
        text = json.dumps([asdict(one) for one in saved.values()], indent=1) + "\n"
        try:
            await asyncio.to_thread(write_atomic, self._file, text)
        except OSError as error:
            log.warning("who waits for a slot cannot be written down: %s", error)
        self._saved = saved


def _read(file: Path) -> dict[str, Stranger]:
    """Read who waited; a file that is not as we write it counts as none."""
    try:
        with file.open("rb") as stream:
            items: list[dict[str, Any]] = json.loads(stream.read(_MAX_BYTES))
        return {item["mac"]: Stranger(**item) for item in items}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s is not used: %s", file, error)
        return {}
