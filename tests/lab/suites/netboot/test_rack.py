"""The lab's rack: slots of the simulated rack switch real things, told by its socket alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bare import BareDnsmasq
from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.machines import Pi
from tests.lab.master import Master
from tests.lab.network import Network
from tests.lab.rack import Rack
from tests.lab.run import Run
from tests.live.daemon import FAST, TWO_STACKS

BOARD = Board(rom=Rom.PI5, mac="2c:cf:67:00:00:03", serial="9ffefdef")


@pytest.fixture
def boot(lab: Run) -> Path:
    folder = lab.folder("boot")
    for name in ("config.txt", "cmdline.txt", "kernel8.img"):
        (folder / name).write_text(f"this is {name}\n")
    return folder


def until(what: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.02)


def test_a_slot_switches_a_real_thing(lab: Run, boot: Path) -> None:
    network = Network(lab)
    master = Master(network, "10.77.0.1/24")
    BareDnsmasq(master.place, boot, {BOARD.mac: "10.77.0.23"})
    loop = Loop()
    lab.at_end(loop.close)
    pi = Pi(network, loop, BOARD, "worker-0-3")
    rack = Rack(master, TWO_STACKS + FAST, {(0, 3): pi}, netboot=False)
    rack.start()
    cli = rack.daemon.cli
    assert cli("power", "on", "worker-0-3", "--wait").returncode == 0
    until(lambda: bool(pi.roms) and pi.roms[0].ok)
    assert pi.roms[0].files["kernel8.img"].data == b"this is kernel8.img\n"
    rack.daemon.stop(signal.SIGKILL)
    rack.start()  # the rack outlives graped: nothing was switched
    assert (rack.on((0, 3)), len(pi.roms)) == (True, 1)
    assert cli("power", "cycle", "worker-0-3", "--wait", "--yes").returncode == 0
    until(lambda: len(pi.roms) == 2 and pi.roms[1].ok)
    assert cli("power", "off", "worker-0-3", "--wait", "--yes").returncode == 0
    until(lambda: not rack.on((0, 3)))
    assert rack.trouble() == []


def test_two_masters_on_one_machine_have_a_run_folder_each(lab: Run) -> None:
    network = Network(lab)
    one, two = Master(network, "10.77.0.1/24", "one"), Master(network, "10.77.0.2/24", "two")
    one.do("touch", "/run/only-here")
    assert one.path(Path("/run/only-here")).exists()
    assert not two.path(Path("/run/only-here")).exists()
    assert not Path("/run/only-here").exists()
