"""The bottom layer: real buses and pins, or the simulated rack behind the same protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from graped.config.types import Config
from graped.errors import DriverError, PinError
from graped.hardware.bus import PatientBus, SmbusBus
from graped.hardware.drivers.registry import Resources
from graped.hardware.late_gpio import LateGpio
from graped.hardware.probe import BUSES
from graped.hardware.protocols import I2cBus
from graped.hardware.sim.client import SimControl
from graped.model import SlotId
from graped.runner import SubprocessRunner

SIM_TIMEOUT_S = 0.05  # of one transaction, as the real adapter is set


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottom:
    """What the daemon stands on. ``control`` is the simulated rack's, where there is one.

    Of that rack: ``simulated`` are the slots whose nodes it makes up, ``external`` those with real machines.
    """

    resources: Resources
    control: SimControl | None = None
    simulated: frozenset[SlotId] = frozenset()
    external: frozenset[SlotId] = frozenset()

    def is_real(self, slot: SlotId) -> bool:
        """Whether the node in a slot is a machine, not something that the simulator makes up."""
        return self.control is None or slot in self.external

    def close(self) -> None:
        """Let buses and watched lines go; no output changes."""
        for bus in self.resources.buses.values():
            bus.close()
        if self.resources.gpio is not None:
            self.resources.gpio.close()
        if self.control is not None:
            self.control.close()


def bus_numbers(config: Config) -> tuple[int, ...]:
    """Name every bus that something of the configuration may sit on."""
    named = {stack.bus for stack in config.cluster.stacks.values()} | {config.display.bus}
    return tuple(sorted({*BUSES, *(bus for bus in named if bus is not None)}))


def real(config: Config) -> Bottom:
    """Stand on this machine's I2C buses and GPIO. A missing part is a fault of what needs it, not of the rest."""
    from graped.hardware.gpio import open_gpio

    resources = Resources(
        buses=_patient(config, lambda number: SmbusBus(number, retry_max_s=config.poll.retry_max_s)),
        gpio=LateGpio(lambda: open_gpio(_interrupts(config)), retry_max_s=config.poll.retry_max_s),
        runner=SubprocessRunner(),
        deadline_s=config.bus.deadline_s,
    )
    return Bottom(resources=resources)


def simulated(
    config: Config,
    slots: Mapping[int, frozenset[int]],
    state_dir: Path,
    *,
    trace: Path | None,
    faults: Path | None,
    nodes: Path | None,
) -> Bottom:
    """Stand on the simulated rack of ``state_dir``, started where none runs. ``slots``: of each stack.

    Raises: ConfigError for a file with mistakes, HardwareError where no rack comes up.
    """
    from graped.hardware.sim.blueprint import NodeKind
    from graped.hardware.sim.client import SimBus
    from graped.hardware.sim.pins import SimGpio, SimPort
    from graped.hardware.sim.plan import plan
    from graped.hardware.sim.start import start

    rack = plan(config, nodes)
    control = start(state_dir, rack, trace=trace, faults_file=faults)
    timeout_s = min(SIM_TIMEOUT_S, config.bus.deadline_s / 2)
    resources = Resources(
        buses=_patient(config, lambda number: SimBus(state_dir, number, timeout_s)),
        gpio=SimGpio(control),
        deadline_s=config.bus.deadline_s,
        simulated_port=lambda key: SimPort(control, key, slots[key]),
    )
    return Bottom(
        resources=resources,
        control=control,
        simulated=rack.slots(NodeKind.SIMULATED),
        external=rack.slots(NodeKind.EXTERNAL),
    )


def _patient(config: Config, make: Callable[[int], I2cBus]) -> dict[int, PatientBus]:
    return {number: PatientBus(make(number)) for number in bus_numbers(config)}


def _interrupts(config: Config) -> frozenset[int]:
    """Name the pins that are only ever read."""
    return frozenset(pin for pin in (config.gpio.display_pin, config.gpio.overtemp_pin) if pin is not None)


def judge_machine(config: Config) -> Iterator[str]:
    """Tell what of a configuration this very machine cannot serve safely; a machine without GPIO is not judged."""
    from graped.hardware.drivers import gpio_relay
    from graped.hardware.gpio import open_gpio

    relays = {key: stack for key, stack in config.cluster.stacks.items() if stack.driver == "gpio_relay"}
    if not relays:
        return
    try:
        gpio = open_gpio(_interrupts(config))
    except PinError:
        return
    for key, stack in relays.items():
        try:
            gpio_relay.check(stack.options, gpio)
        except DriverError as error:
            yield f"cluster.stacks.{key}.driver: {error.detail}; {error.hint}"
