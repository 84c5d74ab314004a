"""Look at everything that netbooting rests on, and say of each thing what to do where it is not right."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from graped.api.netboot_types import Check, CheckWord
from graped.config.types import Boot, Config, Model
from graped.core.state import State
from graped.errors import GrapeError
from graped.model import StackCondition, Stage
from graped.netboot.dhcp.layout import Layout
from graped.netboot.nfs.exports import Export
from graped.netboot.plan import NetPlan, plan
from graped.provision import ground
from graped.provision.edges import Edges
from graped.provision.rivals import Rivals

LITTLE_BYTES: Final = 2_000_000_000  # an import of Raspberry Pi OS Lite needs about this
LITTLE_PERCENT: Final = 5
_SYNCHRONISED: Final = (Path("/run/systemd/timesync/synchronized"), Path("/run/chrony/chronyd.sock"))
_BAD_STACK: Final = frozenset({StackCondition.MISSING, StackCondition.UNKNOWN, StackCondition.DEGRADED})
_HINTS: Final = {
    None: "Which model is it? Set the device's model for a better hint; see graped/README.md, Netbooting.",
    Model.PI3B: "A Pi 3B needs its OTP bit once: program_usb_boot_mode=1 in config.txt, booted once from an SD card.",
    Model.PI3BPLUS: "A Pi 3B+ netboots as it comes; look at the cable and that no SD card is in it.",
    Model.PI4: "A Pi 4 needs BOOT_ORDER=0xf21 (or 0xf2) in its EEPROM: sudo -E rpi-eeprom-config --edit.",
    Model.PI5: "A Pi 5 needs BOOT_ORDER=0xf21 (or 0xf2) in its EEPROM: sudo -E rpi-eeprom-config --edit.",
    Model.PXE: "Switch on network boot (PXE) in its BIOS, before the disk.",
}


class Doctor:
    """One visit. ``exports`` are those that should be there."""

    def __init__(
        self, edges: Edges, state: State, rivals: Rivals, exports: Callable[[NetPlan], tuple[Export, ...]]
    ) -> None:
        self._edges = edges
        self._state = state
        self._rivals = rivals
        self._exports = exports

    async def examine(self) -> tuple[Check, ...]:
        """Do all checks; one that fails itself is told as failed and keeps no other from being done."""
        found = [*self._stacks(), self._clock()]
        config = self._state.config
        found.append(await self._done("free space", lambda: asyncio.to_thread(self._space)))
        if not config.netboot.active:
            return (*found, Check(name="netboot", state="skipped", message="netboot.active is false", hint=""))
        layout = plan(config)
        found.append(await self._done("interface", lambda: asyncio.to_thread(self._interface, config)))
        found.append(await self._done("DHCP rival", self._rival))
        found.append(await self._done("supervisor", lambda: asyncio.to_thread(self._supervisor, config)))
        found.append(await self._done("dnsmasq", lambda: asyncio.to_thread(self._dnsmasq, layout)))
        found.append(await self._done("TFTP", lambda: asyncio.to_thread(self._tftp, layout)))
        found.append(await self._done("NFS", lambda: asyncio.to_thread(self._nfs, layout)))
        return (*found, *self._nodes())

    async def _done(self, name: str, look: Callable[[], Awaitable[Check]]) -> Check:
        try:
            return await look()
        except (GrapeError, OSError) as error:
            return Check(name=name, state="failed", message=str(error), hint=getattr(error, "hint", ""))

    # --- the machine ----------------------------------------------------------------------------------

    def _stacks(self) -> Iterator[Check]:
        for key, stack in sorted(self._state.stacks.items()):
            bad = stack.condition in _BAD_STACK
            where = "" if stack.bus is None else f" on bus {stack.bus}, address {stack.address}"
            why = f": {stack.fault.message}" if stack.fault else ""
            yield Check(
                name=f"stack {key}", state="failed" if bad else "ok", message=f"{stack.condition.value}{where}{why}",
                hint=(stack.fault.hint if stack.fault else "") if bad else "",
            )  # fmt: skip

    def _clock(self) -> Check:
        built = Path(__file__).stat().st_mtime
        if time.time() < built:
            return Check(
                name="clock", state="failed", message="the master's clock is behind the day graped was installed",
                hint="Start a time server (chrony, systemd-timesyncd): nodes take their time from the master.",
            )  # fmt: skip
        if not any(path.exists() for path in _SYNCHRONISED):
            return Check(
                name="clock", state="warning", message="nothing keeps the master's clock right, as far as can be seen",
                hint="Start a time server (chrony, systemd-timesyncd): nodes take their time from the master.",
            )  # fmt: skip
        return Check(name="clock", state="ok", message="kept right by a time server", hint="")

    def _space(self) -> Check:
        at = next(path for path in (self._edges.folder, *self._edges.folder.parents) if path.exists())
        usage = shutil.disk_usage(at)
        little = usage.free < LITTLE_BYTES or usage.free * 100 < usage.total * LITTLE_PERCENT
        said = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB are free below {at}"
        hint = (
            "Remove images and kept roots that nobody needs: grapecli image list, grapecli node show." if little else ""
        )
        return Check(name="free space", state="warning" if little else "ok", message=said, hint=hint)

    # --- the servers ----------------------------------------------------------------------------------

    def _interface(self, config: Config) -> Check:
        finding = ground.judge(config.netboot, self._rivals.link())
        if finding is None:
            return Check(name="interface", state="ok", message=f"{config.netboot.interface} is up and ours", hint="")
        return Check(name="interface", state="failed", message=finding.message, hint=finding.hint)

    async def _rival(self) -> Check:
        finding = await self._rivals.look(now=True)
        if finding is None:
            return Check(name="DHCP rival", state="ok", message="no other DHCP server answers", hint="")
        return Check(name="DHCP rival", state="failed", message=finding.message, hint=finding.hint)

    def _supervisor(self, config: Config) -> Check:
        self._edges.servers.check(self._edges.units)
        return Check(name="supervisor", state="ok", message=f"{config.netboot.supervisor} keeps the servers", hint="")

    def _dnsmasq(self, layout: NetPlan) -> Check:
        pid = self._edges.dnsmasq.running(layout.folder)
        if pid is None:
            log = Layout(layout.folder).log
            return Check(name="dnsmasq", state="failed", message="it does not run", hint=f"See {log}.")
        return Check(name="dnsmasq", state="ok", message=f"runs as process {pid}", hint="")

    def _tftp(self, layout: NetPlan) -> Check:
        closed = self._edges.dnsmasq.unreadable(layout.folder)
        if closed:
            more = f" (and {len(closed) - 1} more)" if len(closed) > 1 else ""
            return Check(
                name="TFTP", state="failed", message=f"{closed[0]}{more}",
                hint="Every folder above it must be open to dnsmasq: chmod o+x.",
            )  # fmt: skip
        return Check(name="TFTP", state="ok", message="everything that nodes are sent can be read", hint="")

    def _nfs(self, layout: NetPlan) -> Check:
        exports = self._exports(layout)
        problems = self._edges.nfs.check(exports)
        state: CheckWord = "failed" if problems else "ok"
        said = "; ".join(problems[:3]) if problems else f"{len(exports)} folders are exported"
        return Check(name="NFS", state=state, message=said, hint="")

    # --- the nodes ------------------------------------------------------------------------------------

    def _nodes(self) -> Iterator[Check]:
        """Name the nodes that are on and never asked for an address: what in them may be set wrong."""
        config = self._state.config
        for slot, now in sorted(self._state.slots.items()):
            device = config.cluster.stacks[slot.stack].devices.get(slot.slot)
            if device is None or device.boot is not Boot.NETWORK or now.stage is not Stage.POWERED or not now.late:
                continue
            yield Check(
                name=config.node_name(slot), state="failed", message=str(now.late), hint=_HINTS[device.model],
            )  # fmt: skip
