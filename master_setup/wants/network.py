"""The master's address on the cluster's interface: there now, and taken back where nobody confirms it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any, Final

from graped.errors import CommandFailed, GrapeError
from master_setup import netfiles, network_undo
from master_setup.links import Manager
from master_setup.machine import Machine
from master_setup.netfiles import Argv
from master_setup.network_undo import Pending
from master_setup.record import Memory
from master_setup.wants.base import Difference, Want, kind
from master_setup.wants.blocks import Block
from master_setup.wants.files import File

THERE_S: Final = 20.0  # NetworkManager takes a few on a slow Pi
LOOK_S: Final = 0.2
SETTLED: Final = 8  # looks in a row that find it: networkd gives it, takes it away and gives it again
COMMAND_S: Final = 60.0


def file_wants(manager: Manager, name: str, address: IPv4Interface, *, parts: bool) -> list[Want]:
    """Return the files of the interface's manager as wants."""
    return [
        Block(path=text.path, text=text.content, name="network")
        if text.block
        else File(path=text.path, content=text.content, mode=text.mode)
        for text in netfiles.texts(manager, name, address, parts=parts)
    ]


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Before the network changes, a timer is set that takes the change back. Undone last: the manager goes back."""

    interface: str
    address: str
    manager: str
    parts: bool
    within_s: int

    @property
    def key(self) -> str:
        return f"guard {self.interface}"

    def differs(self, machine: Machine) -> Difference | None:
        if network_undo.armed(machine):
            return None
        rest: list[Want] = [*self._files(), self._there()]
        if all(want.differs(machine) is None for want in rest):
            return None
        return Difference(
            summary=f"take back the network of {self.interface} after {self.within_s} s, if not confirmed"
        )

    def make(self, machine: Machine, memory: Memory) -> None:
        was = _state(machine, self.interface, self.address, self._manager)
        memory.remember(was)
        paths = [text.path for text in netfiles.texts(self._manager, self.interface, self._ip, parts=self.parts)]
        before = netfiles.before_files_go(self._manager, self.interface)
        about = Pending(interface=self.interface, address=self.address, left_s=self.within_s)
        network_undo.arm(machine, about, paths, (before, self._after(was), self._last(was)))
        memory.finish(was)

    def undo(self, machine: Machine, memory: Memory) -> None:
        network_undo.disarm(machine)
        if machine.booted:
            for argv in (*self._after(memory.was), *self._last(memory.was)):
                machine.succeeds(*argv, timeout_s=COMMAND_S)

    def _after(self, was: Mapping[str, Any]) -> tuple[Argv, ...]:
        return netfiles.after_files_went(self._manager, self.interface, profile=was["profile"])

    def _last(self, was: Mapping[str, Any]) -> tuple[Argv, ...]:
        """Take away what a manager leaves on an interface that it no longer looks after."""
        gone = () if was["there"] else (("ip", "address", "del", self.address, "dev", self.interface),)
        down = () if was["up"] else (("ip", "link", "set", self.interface, "down"),)
        return (*gone, *down)

    def _files(self) -> list[Want]:
        return file_wants(self._manager, self.interface, self._ip, parts=self.parts)

    def _there(self) -> Address:
        return Address(interface=self.interface, address=self.address, manager=self.manager)

    @property
    def _manager(self) -> Manager:
        return Manager(self.manager)

    @property
    def _ip(self) -> IPv4Interface:
        return IPv4Interface(self.address)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address is on the interface, now."""

    interface: str
    address: str
    manager: str

    @property
    def key(self) -> str:
        return f"address {self.interface}"

    def differs(self, machine: Machine) -> Difference | None:
        if self.address in addresses(machine, self.interface):
            return None
        return Difference(summary=f"give {self.interface} the address {self.address}, by {self.manager}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({})
        for argv in netfiles.up(Manager(self.manager), self.interface):
            machine.run(*argv, timeout_s=COMMAND_S)
        deadline = time.monotonic() + THERE_S
        seen = 0
        while seen < SETTLED:
            seen = seen + 1 if self.differs(machine) is None else 0
            if time.monotonic() > deadline:
                raise GrapeError(
                    f"{self.manager} was told, and {self.interface} has no address {self.address} after {THERE_S:g} s",
                    hint="Look into the journal of this boot: journalctl --boot --lines 50.",
                )
            time.sleep(LOOK_S)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if machine.booted:
            for argv in netfiles.before_files_go(Manager(self.manager), self.interface):
                machine.succeeds(*argv, timeout_s=COMMAND_S)


def keep(machine: Machine, waiting: Pending) -> None:
    """Keep a change of the network. Raises GrapeError where the address is not there: then it had better go back."""
    if waiting.address not in addresses(machine, waiting.interface):
        raise GrapeError(
            f"{waiting.interface} has no address {waiting.address}",
            hint=f"It goes back by itself in {waiting.left_s} s; or call apply again.",
        )
    network_undo.disarm(machine)


def addresses(machine: Machine, interface: str) -> tuple[str, ...]:
    """Return the IPv4 addresses of an interface, as ``10.77.0.1/24``."""
    about = _about(machine, interface)
    found = (one for one in about.get("addr_info", ()) if one.get("family") == "inet")
    return tuple(f"{one['local']}/{one['prefixlen']}" for one in found)


def _about(machine: Machine, interface: str) -> Mapping[str, Any]:
    try:
        raw = json.loads(machine.run("ip", "-json", "address", "show", "dev", interface).stdout or "[]")
    except (CommandFailed, ValueError):
        return {}
    return raw[0] if raw else {}


def _state(machine: Machine, interface: str, address: str, manager: Manager) -> dict[str, Any]:
    """Describe the interface, so that it can be brought back."""
    profile = ""
    if manager is Manager.NETWORK_MANAGER:
        words = machine.says("nmcli", "--get-values", "GENERAL.CON-UUID", "device", "show", interface).split()
        profile = words[0] if words and words[0] != "--" else ""
    return {
        "profile": profile,
        "up": "UP" in _about(machine, interface).get("flags", ()),
        "there": address in addresses(machine, interface),
    }
