r"""Power driver for anything that has a command-line tool: one command each for on, off and query.

Placeholders in commands and patterns: ``{stack}``, ``{slot}``, ``{name}`` (the node's name) and ``{arg}`` (the
slot's entry in ``per_slot_args``, the slot number where it has none). In a pattern they stand for their literal
text. Patterns are searched in the query's output, line by line (``^`` and ``$`` mean a line). A slot is unknown
where neither pattern is found, or both are.

The Turing Pi's ``tpi``, which tells all nodes at once::

    on = ["tpi", "power", "on", "--node", "{arg}"]
    off = ["tpi", "power", "off", "--node", "{arg}"]
    query = ["tpi", "power", "status"]
    query_all = true
    on_pattern = "(?i)^node{arg}: *on"
    off_pattern = "(?i)^node{arg}: *off"
    slots = [0, 1, 2, 3]
    per_slot_args = { 0 = "1", 1 = "2", 2 = "3", 3 = "4" }

``powerman``::

    on = ["pm", "-1", "{name}"]
    off = ["pm", "-0", "{name}"]
    query = ["pm", "-q", "{name}"]
    on_pattern = '^on: +\S'
    off_pattern = '^off: +\S'

A PoE switch by SNMP (the community belongs into ``snmp.conf``, never into a command line)::

    on = ["snmpset", "switch1", "POWER-ETHERNET-MIB::pethPsePortAdminEnable.1.{arg}", "i", "1"]
    off = ["snmpset", "switch1", "POWER-ETHERNET-MIB::pethPsePortAdminEnable.1.{arg}", "i", "2"]
    query = ["snmpget", "-Oqve", "switch1", "POWER-ETHERNET-MIB::pethPsePortAdminEnable.1.{arg}"]
    on_pattern = "^1$"
    off_pattern = "^2$"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from graped.config.types import DriverSpec, Stack
from graped.errors import CommandFailed, CommandTimeout, DriverError, DriverTimeout
from graped.hardware.protocols import PowerDriver
from graped.model import PortLayout, PortReading, SlotId
from graped.runner import Runner

SLOTS = range(6)
PLACEHOLDER = re.compile(r"\{(stack|slot|name|arg)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The commands, as argv lists, and how to read the query's output."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    query: tuple[str, ...]
    on_pattern: str
    off_pattern: str
    slots: tuple[int, ...] = tuple(SLOTS)
    per_slot_args: dict[int, str] = field(default_factory=dict)
    timeout_s: float = 10.0  # of one command
    query_all: bool = False  # one query tells all slots

    def __post_init__(self) -> None:
        """Refuse what cannot work, before it is needed and with everything that is wrong."""
        problems = [f"{name} needs a program" for name in ("on", "off", "query") if not getattr(self, name)]
        wrong = [slot for slot in (*self.slots, *self.per_slot_args) if slot not in SLOTS]
        if wrong or not self.slots or len(set(self.slots)) != len(self.slots):
            problems.append("slots must be different numbers from 0 to 5")
        if self.timeout_s <= 0:
            problems.append("timeout_s must be above 0")
        for name in ("on_pattern", "off_pattern"):
            try:
                re.compile(PLACEHOLDER.sub("0", getattr(self, name)))
            except re.error as error:
                problems.append(f"{name} is not a regular expression: {error}")
        if problems:
            raise ValueError("; ".join(problems))


class Resources(Protocol):
    """What this driver needs of the daemon."""

    @property
    def runner(self) -> Runner | None: ...
    @property
    def simulated_port(self) -> Callable[[int], PowerDriver] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlet:
    """One slot with everything filled in."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    query: tuple[str, ...]
    is_on: re.Pattern[str]
    is_off: re.Pattern[str]

    def judge(self, output: str) -> bool | None:
        """Tell on, off or (None) unknown."""
        on, off = self.is_on.search(output), self.is_off.search(output)
        return None if bool(on) == bool(off) else bool(on)


class CommandPort:
    """The slots of one stack; bit n is slot n, 1 = on."""

    def __init__(self, key: int, options: Options, names: Mapping[int, str], runner: Runner) -> None:
        self.lane = f"command-{key}"
        # reset is None: nobody can tell what such a thing does after an outage
        self.layout = PortLayout(bits={slot: slot for slot in sorted(options.slots)}, active_low=False, width=6)
        self._options = options
        self._runner = runner
        self._outlets = {slot: _fill_in(options, key, slot, names[slot]) for slot in sorted(options.slots)}

    def read(self, verified: int | None) -> PortReading:
        """Ask for all slots; raise DriverError where not one of them could be asked."""
        outputs = self._query_once() if self._options.query_all else self._query_each()
        value = known = 0
        for slot, output in outputs.items():
            on = self._outlets[slot].judge(output)
            if on is not None:
                known |= 1 << slot
                value |= on << slot
        return PortReading(value=value, known=known)

    def write(self, base: int, value: int) -> None:
        """Run on or off for the slots that differ; all are tried before the first failure is raised."""
        failures: list[DriverError] = []
        for slot, outlet in self._outlets.items():
            if (base ^ value) >> slot & 1:
                try:
                    self._run(outlet.on if value >> slot & 1 else outlet.off)
                except DriverError as error:
                    failures.append(error)
        if failures:
            raise failures[0]

    def _query_once(self) -> dict[int, str]:
        first = next(iter(self._outlets.values()))
        return dict.fromkeys(self._outlets, self._run(first.query))

    def _query_each(self) -> dict[int, str]:
        outputs: dict[int, str] = {}
        failure: DriverError | None = None
        for slot, outlet in self._outlets.items():
            try:
                outputs[slot] = self._run(outlet.query)
            except DriverTimeout as error:
                failure = error
                break  # the next ones would take as long: leave the rest unknown
            except DriverError as error:
                failure = error
        if failure is not None and not outputs:
            raise failure
        return outputs

    def _run(self, argv: tuple[str, ...]) -> str:
        try:
            return self._runner.run(argv, timeout_s=self._options.timeout_s).stdout
        except CommandFailed as error:
            kind = DriverTimeout if isinstance(error, CommandTimeout) else DriverError
            raise kind(error.detail, hint=error.hint, **error.fields) from error


def build(key: int, stack: Stack, resources: Resources) -> PowerDriver:
    """Make the driver of one stack; in a simulation the simulator stands in for the commands."""
    options = stack.options
    assert isinstance(options, Options)
    if resources.simulated_port is not None:
        return resources.simulated_port(key)
    if resources.runner is None:
        raise DriverError("commands cannot be run here")
    devices = {slot: stack.devices.get(slot) for slot in options.slots}
    names = {
        slot: device.name if device and device.name else SlotId(key, slot).default_name
        for slot, device in devices.items()
    }
    return CommandPort(key, options, names, resources.runner)


def _fill_in(options: Options, key: int, slot: int, name: str) -> _Outlet:
    words = {"stack": str(key), "slot": str(slot), "name": name, "arg": options.per_slot_args.get(slot, str(slot))}

    def argv(template: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(PLACEHOLDER.sub(lambda found: words[found[1]], part) for part in template)

    def pattern(template: str) -> re.Pattern[str]:
        return re.compile(PLACEHOLDER.sub(lambda found: re.escape(words[found[1]]), template), re.MULTILINE)

    return _Outlet(
        on=argv(options.on),
        off=argv(options.off),
        query=argv(options.query),
        is_on=pattern(options.on_pattern),
        is_off=pattern(options.off_pattern),
    )


def _slots(options: Options) -> frozenset[int]:
    return frozenset(options.slots)


def _pins(options: Options) -> dict[str, int]:
    return {}


spec = DriverSpec(options=Options, slots=_slots, pins=_pins, build=build)
