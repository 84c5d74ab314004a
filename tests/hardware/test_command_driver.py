"""Power by command-line tools, against tools that keep a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from graped.config.types import Device, Stack
from graped.core import port
from graped.errors import CommandFailed, CommandTimeout, DriverError
from graped.hardware.drivers.command import Options, spec
from graped.hardware.protocols import PowerDriver
from graped.model import PortLayout, PortReading, Power
from graped.runner import Output, Runner

PM = Options(
    on=("pm", "-1", "{name}"),
    off=("pm", "-0", "{name}"),
    query=("pm", "-q", "{name}"),
    on_pattern=r"^on: +\S",
    off_pattern=r"^off: +\S",
)
TPI = Options(
    on=("tpi", "power", "on", "--node", "{arg}"),
    off=("tpi", "power", "off", "--node", "{arg}"),
    query=("tpi", "power", "status"),
    query_all=True,
    on_pattern="(?i)^node{arg}: *on",
    off_pattern="(?i)^node{arg}: *off",
    slots=(0, 1, 2, 3),
    per_slot_args={0: "1", 1: "2", 2: "3", 3: "4"},
)


@dataclass
class Plugs:
    """A tool's idea of its plugs; ``broken`` ones make it fail, ``hanging`` ones make it hang."""

    plugs: dict[str, bool | None]
    broken: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        self.ran.append(argv)
        if argv[-1] in self.broken:
            raise CommandFailed(f"{argv[0]} ended with code 1: no such plug")
        if argv[-1] in self.hanging:
            raise CommandTimeout(f"{argv[0]} did not end")
        match argv:
            case ("pm", "-q", plug):
                said = self._pm(plug)
            case ("pm", ("-0" | "-1") as verb, plug) if plug in self.plugs:
                self.plugs[plug], said = verb == "-1", "Command completed successfully"
            case ("tpi", "power", "status"):
                words = {True: "On", False: "off", None: "n/a"}
                said = "\n".join(f"node{plug}: {words[on]}" for plug, on in self.plugs.items())
            case ("tpi", "power", ("on" | "off") as verb, "--node", plug) if plug in self.plugs:
                self.plugs[plug], said = verb == "on", "ok"
            case _:
                raise AssertionError(f"unexpected command: {argv}")
        return Output(code=0, stdout=said)

    def _pm(self, plug: str) -> str:
        names = {state: plug if self.plugs[plug] is state else "" for state in (True, False, None)}
        return f"on:      {names[True]}\noff:     {names[False]}\nunknown: {names[None]}\n"


@dataclass
class Resources:
    runner: Runner | None
    simulated_port: Callable[[int], PowerDriver] | None = None


def build(options: Options, plugs: Plugs, devices: dict[int, Device] | None = None) -> PowerDriver:
    driver: PowerDriver = spec.build(
        4, Stack(driver="command", options=options, devices=devices or {}), Resources(plugs)
    )
    return driver


def names(count: int = 6) -> dict[str, bool | None]:
    return {f"worker-4-{slot}": False for slot in range(count)}


def switch(driver: PowerDriver, changes: dict[int, bool]) -> None:
    base = driver.read(None).value
    driver.write(base, port.encode(driver.layout, base, changes))


def test_the_layout_has_a_bit_a_slot_and_no_reset_value() -> None:
    driver = build(TPI, Plugs({}))
    assert driver.layout == PortLayout(bits={0: 0, 1: 1, 2: 2, 3: 3}, active_low=False, width=6, reset=None)
    assert driver.lane == "command-4"
    assert spec.slots(TPI) == {0, 1, 2, 3}
    assert spec.pins(TPI) == {}


def test_each_slot_is_asked_for_by_its_node_name() -> None:
    plugs = Plugs({**names(), "gateway": True, "worker-4-3": None})
    driver = build(PM, plugs, {2: Device(name="gateway")})
    powers = port.powers(driver.layout, driver.read(None))
    assert powers == {
        0: Power.OFF, 1: Power.OFF, 2: Power.ON, 3: Power.UNKNOWN, 4: Power.OFF, 5: Power.OFF,
    }  # fmt: skip


def test_only_what_differs_is_switched() -> None:
    plugs = Plugs(names())
    driver = build(PM, plugs)
    switch(driver, {1: True, 4: True})
    assert [argv for argv in plugs.ran if argv[1] != "-q"] == [("pm", "-1", "worker-4-1"), ("pm", "-1", "worker-4-4")]
    switch(driver, {1: False})
    assert driver.read(None) == PortReading(value=0b010000, known=0b111111)


def test_one_query_can_tell_all_slots() -> None:
    plugs = Plugs({"1": True, "2": False, "3": None, "4": True})
    driver = build(TPI, plugs)
    assert driver.read(None) == PortReading(value=0b1001, known=0b1011)
    assert plugs.ran == [("tpi", "power", "status")]
    switch(driver, {1: True, 3: False})
    assert plugs.plugs == {"1": True, "2": True, "3": None, "4": False}


def test_a_slot_whose_answer_fits_both_patterns_is_unknown() -> None:
    options = Options(
        on=("pm", "-1", "{name}"), off=("pm", "-0", "{name}"), query=("pm", "-q", "{name}"),
        on_pattern="on", off_pattern="off|unknown",
    )  # fmt: skip
    assert build(options, Plugs(names())).read(None).known == 0


def test_a_plug_that_cannot_be_asked_is_unknown_and_the_others_are_told() -> None:
    driver = build(PM, Plugs(names(), broken={"worker-4-2"}))
    assert driver.read(None).known == 0b111011


def test_a_query_that_hangs_is_not_waited_for_six_times() -> None:
    plugs = Plugs(names(), hanging={f"worker-4-{slot}" for slot in range(2, 6)})
    assert build(PM, plugs).read(None).known == 0b000011
    assert len(plugs.ran) == 3


def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(DriverError, match="no such plug"):
        build(PM, Plugs(names(), broken=set(names()))).read(None)


def test_one_failure_does_not_keep_the_others_from_being_switched() -> None:
    plugs = Plugs(names(), broken={"worker-4-0"})
    with pytest.raises(DriverError, match="no such plug"):
        build(PM, plugs).write(0, 0b000011)
    assert plugs.plugs["worker-4-1"] is True


def test_placeholders_are_literal_in_patterns_and_complete_in_commands() -> None:
    options = Options(
        on=("x",), off=("x",), query=("ask", "{stack}/{slot}/{arg}", "{other}", "a{2}"),
        on_pattern="^{arg}={2}1$", off_pattern="^{arg}=0$", slots=(1,), per_slot_args={1: "p.1+"},
    )  # fmt: skip

    class Echo(Plugs):
        def run(self, argv: tuple[str, ...], **_: object) -> Output:  # type: ignore[override]
            self.ran.append(argv)
            return Output(code=0, stdout="px11=0\np.1+==1\n")

    plugs = Echo({})
    driver = build(options, plugs)
    assert driver.read(None) == PortReading(value=0b10, known=0b10)
    assert plugs.ran == [("ask", "4/1/p.1+", "{other}", "a{2}")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": ()},
        {"query": ()},
        {"slots": ()},
        {"slots": (0, 0)},
        {"slots": (7,)},
        {"per_slot_args": {9: "x"}},
        {"timeout_s": 0},
        {"on_pattern": "("},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {
        "on": ("x",), "off": ("x",), "query": ("x",), "on_pattern": "on", "off_pattern": "off",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"slot|program|timeout_s|on_pattern"):
        Options(**good | wrong)  # type: ignore[arg-type]


def test_in_a_simulation_no_command_is_run() -> None:
    class Port:
        layout = PortLayout(bits={0: 0}, active_low=False)
        lane = "sim-4"

        def read(self, verified: int | None) -> PortReading:
            return PortReading(value=0, known=1)

        def write(self, base: int, value: int) -> None: ...

    driver = spec.build(4, Stack(driver="command", options=PM), Resources(None, lambda key: Port()))
    assert driver.lane == "sim-4"
    with pytest.raises(DriverError, match="commands cannot be run"):
        spec.build(4, Stack(driver="command", options=PM), Resources(None))
