"""Give slots their MAC addresses: the drop-in is judged with all files, written, and the configuration read again."""

from __future__ import annotations

import asyncio

from graped.config import enrolled, files
from graped.config.load import Loaded
from graped.config.mac import parse
from graped.config.settings import effective
from graped.errors import Conflict, RequestError, StoreError
from graped.hardware.drivers import registry
from graped.model import SlotId
from graped.operate.house import House


class Seating:
    """Everything belongs to the loop's thread; one change at a time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._writing = asyncio.Lock()

    def draft(self, changes: enrolled.Changes) -> enrolled.Draft:
        """Lay out a change; nothing is written. Raises: ConfigError."""
        return enrolled.draft(self._house.config_file, changes, self._judge)

    async def write(self, changes: enrolled.Changes) -> enrolled.Draft:
        """Write a change and have it in force. Raises: ConfigError, StoreError; then nothing has changed."""
        async with self._writing:
            draft = self.draft(changes)
            try:
                written = await asyncio.to_thread(draft.write)
            except OSError as error:
                raise StoreError(
                    f"{draft.file} cannot be written: {error.strerror or error}",
                    hint="Under systemd, graped may write there where its unit says so (ReadWritePaths=).",
                ) from error
            if written:
                await self._house.reload()
            return draft

    async def seat(self, slot: SlotId, mac: str, *, by: str, replace: bool) -> tuple[str | None, enrolled.Draft]:
        """Give a slot a MAC address; tell the one it had. Raises: Conflict, ConfigError, StoreError."""
        config = self._house.state.config
        name, taken = config.node_name(slot), self.slot_of(mac)
        device = config.cluster.stacks[slot.stack].devices.get(slot.slot)
        was = device.mac if device else None
        if taken is not None and taken != slot:
            raise Conflict(
                f"{mac} is the MAC address of {config.node_name(taken)}",
                hint=f"A board that was moved: grapecli enrol {config.node_name(taken)},{name} --accept-moves",
            )
        if was is not None and was != mac and not replace:
            raise Conflict(
                f"{name} has the MAC address {was} already", hint=f"A new board there: grapecli node replace {name}"
            )
        keys: dict[str, str | None] = {"mac": mac}
        if was != mac:
            keys |= {"serial": None, "model": None}  # those of the board that sat there
        draft = await self.write({slot: keys})
        if slot in draft.left_out and self.slot_of(mac) != slot:
            raise Conflict(f"{name} keeps its MAC address: {draft.left_out[slot]}")
        if was != mac:
            text = f"{name} has the MAC address {mac} now, by {by}" + (f"; it had {was}" if was else "")
            self._house.journal.append(
                "enrol.seated", text, stack=slot.stack, node=name, fields={"mac": mac, "was": was, "by": by}
            )
        return was, draft

    def slot_of(self, mac: str) -> SlotId | None:
        """Find the slot that has a MAC address in the configuration."""
        for key, stack in self._house.state.config.cluster.stacks.items():
            for slot, device in stack.devices.items():
                if device.mac == mac:
                    return SlotId(key, slot)
        return None

    def _judge(self, document: files.Document) -> Loaded:
        state_dir = self._house.state.config.store.state_dir
        return effective(document, registry.find(), lambda _: state_dir)


def mac_of(text: str) -> str:
    """Read a MAC address in any usual notation. Raises: RequestError."""
    try:
        return parse(text)
    except ValueError as error:
        raise RequestError(f"expected {error}, found {text[:40]!r}") from error
