"""RpiGpio over a module that behaves like RPi.GPIO and like rpi-lgpio."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from graped.errors import PinError
from graped.hardware.gpio import RpiGpio, _import_module, _pipes_out_of_the_way
from graped.hardware.protocols import Edge, Function
from tests.hardware.gpio_fakes import FakeView, Pin, fake_module


def make(pins: dict[int, Pin], **options: bool) -> RpiGpio:
    return RpiGpio(fake_module(pins, **options), FakeView(pins))


def test_looking_changes_nothing() -> None:
    pins = {5: Pin(function=Function.OUTPUT, latch=True), 6: Pin(outside=True)}
    gpio = make(pins)
    assert (gpio.function(5), gpio.level(5)) == (Function.OUTPUT, True)
    assert (gpio.function(6), gpio.level(6)) == (Function.INPUT, True)
    assert pins == {5: Pin(function=Function.OUTPUT, latch=True), 6: Pin(outside=True)}


@pytest.mark.parametrize("level", [False, True])
def test_a_claimed_pin_drives_no_other_level_first(level: bool) -> None:
    pins = {5: Pin(latch=not level)}
    make(pins).claim_output(5, level)
    assert pins[5].driven == [level]


def test_write_needs_a_claim_and_then_drives() -> None:
    pins = {5: Pin()}
    gpio = make(pins)
    with pytest.raises(PinError, match="set GPIO 5"):
        gpio.write(5, True)
    gpio.claim_output(5, False)
    gpio.write(5, True)
    assert pins[5].driven == [False, True]


@pytest.mark.parametrize("pin", [17, 27])
def test_the_boards_interrupt_lines_are_never_driven(pin: int) -> None:
    pins = {pin: Pin()}
    with pytest.raises(PinError, match="never driven"):
        make(pins).claim_output(pin, True)
    assert pins[pin] == Pin()


def test_a_freed_interrupt_line_can_be_used() -> None:
    pins = {17: Pin()}
    RpiGpio(fake_module(pins), FakeView(pins), inputs_only=frozenset()).claim_output(17, True)
    assert pins[17].driven == [True]


@pytest.mark.parametrize("pin", [-1, 28, 54])
def test_pins_off_the_header_are_refused(pin: int) -> None:
    gpio = make({})
    for use in (gpio.function, gpio.level, lambda number: gpio.write(number, True)):
        with pytest.raises(PinError, match="not on the header"):
            use(pin)


def test_watching_makes_an_input_with_pull_up_and_calls_back() -> None:
    pins = {27: Pin()}
    module = fake_module(pins)
    gpio = RpiGpio(module, FakeView(pins))
    seen: list[int] = []
    gpio.watch(27, Edge.FALLING, lambda: seen.append(1))
    edge, callback = module.watched[27]
    callback(27)
    assert (edge, seen, module.pulls[27]) == (module.FALLING, [1], module.PUD_UP)
    gpio.close()
    assert module.watched == {}
    assert pins[27].driven == []


def test_a_kernel_without_sysfs_edges_gets_a_hint() -> None:
    with pytest.raises(PinError) as caught:
        make({17: Pin()}, edges=False).watch(17, Edge.BOTH, lambda: None)
    assert "gpio-lgpio" in caught.value.hint


def test_a_line_held_by_somebody_else_is_a_pin_error_with_both_packages() -> None:
    for kernel in (False, True):
        with pytest.raises(PinError, match="make GPIO 5 an output"):
            make({5: Pin(function=Function.OTHER)}, kernel=kernel).claim_output(5, True)


@pytest.mark.parametrize(
    ("kernel", "parameters", "keeps"),
    [
        (False, {}, True),
        (False, {"bcm2835": "N"}, True),
        (True, {}, False),
        (True, {"bcm2835": "Y"}, True),
        (True, {"bcm2835": "N"}, False),
        (True, {"rp1": "Y"}, True),
        (True, {"rp1": "0"}, False),
        (True, {"bcm2835": "Y", "rp1": "N"}, False),
        (True, {"bcm2835": "Y", "rp1": "Y"}, True),
        (True, {"bcm2835": "perhaps"}, False),
    ],
)
def test_outputs_are_kept_only_where_that_is_certain(
    tmp_path: Path, kernel: bool, parameters: dict[str, str], keeps: bool
) -> None:
    for chip, word in parameters.items():
        folder = tmp_path / f"module/pinctrl_{chip}/parameters"
        folder.mkdir(parents=True)
        (folder / "persist_gpio_outputs").write_text(word + "\n")
    gpio = RpiGpio(fake_module({}, kernel=kernel), FakeView({}), sys_path=tmp_path)
    assert gpio.keeps_outputs() is keeps


def test_a_missing_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "RPi", None)
    with pytest.raises(PinError) as caught:
        _import_module()
    assert "grape[gpio]" in caught.value.hint


def test_a_pc_is_told_to_simulate(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("This module can only be run on a Raspberry Pi!")

    monkeypatch.setitem(sys.modules, "RPi", Refusing("RPi"))
    with pytest.raises(PinError, match="only be run on a Raspberry Pi") as caught:
        _import_module()
    assert "--simulate" in caught.value.hint


def test_lgpio_leaves_neither_its_pipe_nor_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to LG_WD, or makes its pipe wherever it is."""
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.chdir(tmp_path)
    with _pipes_out_of_the_way():
        folder = Path(os.environ["LG_WD"])
        os.chdir(folder)
        os.mkfifo(".lgd-nfy0")
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert not folder.exists()
    assert "LG_WD" not in os.environ


def test_a_folder_that_somebody_chose_for_lgpio_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_WD", str(tmp_path))
    before = Path.cwd()
    with _pipes_out_of_the_way():
        os.chdir(os.environ["LG_WD"])
    assert (Path.cwd(), os.environ["LG_WD"]) == (before, str(tmp_path))


def test_no_room_for_the_pipe_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise FileNotFoundError(2, "No such file or directory", ".lgd-nfy0")

    monkeypatch.setitem(sys.modules, "RPi", Refusing("RPi"))
    with pytest.raises(PinError, match="its pipe") as caught:
        _import_module()
    assert "LG_WD" in caught.value.hint
