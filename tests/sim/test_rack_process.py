"""The rack as a process of its own: found again, never doubled, gone when its folder is."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graped.errors import BusMissing, BusNack, BusTimeout, ConfigError, HardwareError, NotFound, PinError, RequestError
from graped.hardware.protocols import Edge, Function, purpose
from graped.hardware.sim.blueprint import NodeKind, NodePlan, RackPlan, StackKind, StackPlan
from graped.hardware.sim.client import SimBus, SimControl
from graped.hardware.sim.faults import FaultKind, SimFault
from graped.hardware.sim.pins import SimGpio, SimPort
from graped.hardware.sim.start import find, start, stop
from graped.hardware.sim.wire import connect
from tests.sim.bench_rack import NODES, board

PORT = 0x38
FAST = {slot: NodePlan(boot_s=0.2) for slot in range(6)}
PLAN = RackPlan(
    stacks={
        0: board(nodes=FAST),
        1: board(bus=0, address=1, nodes=NODES | {5: NodePlan(kind=NodeKind.EXTERNAL)}),
        4: StackPlan(kind=StackKind.RELAYS, nodes={0: NodePlan(), 1: NodePlan()}, relays={5: (0, 1)}),
        5: StackPlan(kind=StackKind.PORT, nodes={0: NodePlan(), 2: NodePlan()}),
    },
    display=(1, 0x20),
)


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something, fail when it does not happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    if folder.exists():
        stop(folder)


@pytest.fixture
def control(state_dir: Path) -> SimControl:
    return start(state_dir, PLAN)


def pid_of(state_dir: Path) -> int:
    return int((state_dir / "sim.pid").read_text())


def alive(pid: int) -> bool:
    """Tell whether it runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


CLIENT = """
import sys, time
from pathlib import Path
from graped.hardware.sim.client import SimBus
from graped.hardware.sim.start import start
from graped.hardware.sim.blueprint import RackPlan
import json
from graped.hardware.sim.blueprint import rack_plan
start(Path(sys.argv[1]), rack_plan(json.loads(sys.argv[2])), trace=Path(sys.argv[1]) / "trace")
SimBus(Path(sys.argv[1]), 1).send_byte(0x38, 0xfd)
print("ready", flush=True)
time.sleep(60)
"""


def test_the_rack_outlives_a_killed_client_and_is_found_again(state_dir: Path) -> None:
    for round_ in range(2):
        child = subprocess.Popen(
            (sys.executable, "-c", CLIENT, str(state_dir), json.dumps(PLAN.to_json())), stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        pid = pid_of(state_dir)
        assert alive(pid)
        assert os.getsid(pid) == pid
        again = start(state_dir, PLAN, trace=state_dir / "trace")
        assert again.hello()["pid"] == pid
        assert SimBus(state_dir, 1).receive_byte(PORT) == 0xFD
        written = [json.loads(line) for line in (state_dir / "trace").read_text().splitlines()]
        assert [line["op"] for line in written] == ["send_byte", "receive_byte"] * (round_ + 1)


def test_two_daemons_at_once_share_one_rack(state_dir: Path) -> None:
    found: queue.SimpleQueue[int] = queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: found.put(start(state_dir, PLAN).hello()["pid"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.get() for _ in threads} == {pid_of(state_dir)}


def test_a_killed_rack_is_replaced_by_a_fresh_one(state_dir: Path, control: SimControl) -> None:
    bus = SimBus(state_dir, 1)
    bus.send_byte(PORT, 0x81)
    pid = pid_of(state_dir)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    with pytest.raises(BusMissing, match="has gone"):
        bus.receive_byte(PORT)
    with pytest.raises(HardwareError):
        control.faults()
    assert find(state_dir) is None
    start(state_dir, PLAN)
    assert pid_of(state_dir) != pid
    assert bus.receive_byte(PORT) == 0xFF  # the same bus object, connected again
    assert control.faults() == ()


def test_the_rack_ends_with_its_folder_or_its_pid_file(state_dir: Path) -> None:
    start(state_dir, PLAN)
    pid = pid_of(state_dir)
    shutil.rmtree(state_dir)
    until(lambda: not alive(pid))
    start(state_dir, PLAN)
    other = pid_of(state_dir)
    (state_dir / "sim.pid").unlink()
    until(lambda: not alive(other))


def test_stop_ends_the_rack_and_says_whether_there_was_one(state_dir: Path) -> None:
    start(state_dir, PLAN)
    pid = pid_of(state_dir)
    assert stop(state_dir)
    until(lambda: not alive(pid))
    assert not stop(state_dir)
    assert not (state_dir / "sim.sock").exists()


def test_sigterm_ends_it_and_sighup_does_not(state_dir: Path, control: SimControl) -> None:
    pid = pid_of(state_dir)
    os.kill(pid, signal.SIGHUP)
    assert control.hello()["pid"] == pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))
    assert not (state_dir / "sim.pid").exists()


def test_a_state_folder_may_lie_deeper_than_a_socket_name_is_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    control = start(deep, PLAN)
    try:
        assert control.hello()["pid"] == pid_of(deep)
        assert SimBus(deep, 1).receive_byte(PORT) == 0xFF
    finally:
        assert stop(deep)


def test_a_hung_bus_delays_nobody_on_the_other(state_dir: Path, control: SimControl) -> None:
    control.add_fault(SimFault(kind=FaultKind.HANG, bus=1))
    hung, other = SimBus(state_dir, 1, timeout_s=4.0), SimBus(state_dir, 0)
    ended: queue.SimpleQueue[float] = queue.SimpleQueue()

    def wait_for_it() -> None:
        began = time.monotonic()
        with pytest.raises(BusTimeout):
            hung.receive_byte(PORT)
        ended.put(time.monotonic() - began)

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    for _ in range(20):
        other.receive_byte(PORT + 1)
    control.faults()
    assert ended.empty()
    thread.join()
    assert 3.9 < ended.get() < 8.0


def test_results_and_purposes_cross_the_wire(state_dir: Path) -> None:
    trace = state_dir / "trace"
    start(state_dir, PLAN, trace=trace)
    bus = SimBus(state_dir, 1)
    with pytest.raises(BusNack):
        bus.receive_byte(0x3F)
    with pytest.raises(BusMissing):
        SimBus(state_dir, 7).receive_byte(PORT)
    with purpose("poll ö" * 100):
        assert bus.read_word_data(0x40, 0) == 0x9F39
    bus.write_word_data(0x40, 5, 0xFEDC)
    assert bus.read_word_data(0x40, 5) == 0xFEDC
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [line["result"] for line in lines] == ["nack", "ok", "ok", "ok"]
    assert lines[1]["by"].startswith("poll öpoll")


def lines_of(sock: socket.socket) -> Iterator[dict[str, Any]]:
    sock.settimeout(20)
    for line in sock.makefile("rb"):
        yield json.loads(line)


def test_rack_sock_gives_the_full_state_and_then_each_change(state_dir: Path, control: SimControl) -> None:
    bus = SimBus(state_dir, 1)
    bus.send_byte(PORT, 0xFD)
    with connect(state_dir / "rack.sock", b"", 5) as first, connect(state_dir / "rack.sock", b"", 5) as second:
        listeners = [lines_of(first), lines_of(second)]
        for lines in listeners:
            state = {(line["stack"], line["slot"]): line["on"] for line in (next(lines) for _ in range(16))}
            assert {slot for slot, on in state.items() if on} == {(0, 0)}
            assert len(state) == 16
        bus.send_byte(PORT, 0xBD)
        bus.write_byte_data(PORT, 0, 0xFF)  # the trap is seen as it is: all on, then all off
        for lines in listeners:
            change = next(lines)
            assert change.keys() == {"t", "stack", "slot", "on"}
            assert (change["stack"], change["slot"], change["on"]) == (0, 1, True)
            assert abs(change["t"] - time.time()) < 5
            glitch = [(line["slot"], line["on"]) for line in (next(lines) for _ in range(10))]
            assert glitch == [(slot, True) for slot in range(2, 6)] + [(slot, False) for slot in range(6)]


def test_a_listener_that_never_reads_holds_up_nobody_and_is_let_go(state_dir: Path, control: SimControl) -> None:
    bus = SimBus(state_dir, 1)
    with connect(state_dir / "rack.sock", b"", 5) as asleep, connect(state_dir / "rack.sock", b"", 5) as awake:
        heard = [0]
        reader = threading.Thread(target=lambda: [heard.__setitem__(0, heard[0] + 1) for _ in lines_of(awake)])
        reader.start()
        until(lambda: heard[0] == 16, 20)  # it listens; what changed before would not be told
        began = time.monotonic()
        for done in range(1, 2501):
            bus.send_byte(PORT, 0x81)
            bus.send_byte(PORT, 0xFF)
            if done % 100 == 0:  # whoever reads, however slowly, must not be taken for the sleeper
                until(lambda done=done: heard[0] >= 16 + (done - 100) * 12, 20)
        assert time.monotonic() - began < 90  # nobody waits for the sleeper; a loaded machine is slow by itself
        until(lambda: heard[0] == 16 + 2500 * 12, 20)
        assert sum(1 for _ in lines_of(asleep)) < heard[0]  # and its connection has ended
        awake.shutdown(socket.SHUT_RDWR)
        reader.join()


def test_stages_come_all_at_first_and_then_in_order(state_dir: Path, control: SimControl) -> None:
    heard: queue.SimpleQueue[tuple[int, int, str | None]] = queue.SimpleQueue()
    end = control.watch_stages(lambda *stage: heard.put(stage))
    first = {heard.get(timeout=20) for _ in range(16)}
    assert (1, 5, None) in first  # external: nobody can know
    assert all(stage == "off" for stack, slot, stage in first if (stack, slot) != (1, 5))
    SimBus(state_dir, 1).send_byte(PORT, 0xFD)
    assert [heard.get(timeout=20) for _ in range(6)] == [
        (0, 0, stage) for stage in ("powered", "dhcp", "tftp", "kernel", "root", "up")
    ]
    SimBus(state_dir, 0).send_byte(PORT + 1, 0xFF & ~(1 << 4))  # slot 5, the external one
    SimBus(state_dir, 1).send_byte(PORT, 0xFF)
    assert heard.get(timeout=20) == (0, 0, "off")
    assert control.state()["stacks"]["1"]["on"] == [5]
    end()


def test_faults_by_hand_and_from_a_file(state_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('seed = 3\n[[fault]]\nkind = "nack"\ncount = 1\n')
    control = start(state_dir, PLAN, faults_file=path)
    bus = SimBus(state_dir, 1)
    with pytest.raises(BusNack):
        bus.receive_byte(PORT)
    again = start(state_dir, PLAN, faults_file=path)  # the same file: its one hit is spent
    assert again.faults() == ()
    added = control.add_fault(SimFault(kind=FaultKind.MISSING, stack=0))
    assert again.faults() == (added,)
    path.write_text('[[fault]]\nkind = "flip"\n')
    start(state_dir, PLAN, faults_file=path)
    assert [fault.kind for fault in control.faults()] == ["missing", "flip"]
    control.clear_faults(added.id)
    with pytest.raises(NotFound):
        control.clear_faults(added.id)
    with pytest.raises(RequestError, match="probability"):
        control.add_fault(SimFault(kind=FaultKind.NACK, probability=7))
    with pytest.raises(NotFound, match="no stack 77"):
        control.add_fault(SimFault(kind=FaultKind.NACK, stack=77))
    start(state_dir, PLAN)
    assert control.faults() == ()
    path.write_text("[[fault]]\n")
    with pytest.raises(ConfigError):
        start(state_dir, PLAN, faults_file=path)


def test_relays_keep_their_lines_when_their_daemon_goes(state_dir: Path, control: SimControl) -> None:
    gpio = SimGpio(control)
    assert gpio.function(5) is Function.INPUT
    assert gpio.level(5)  # an active-low board rests high
    with pytest.raises(PinError):
        gpio.write(5, False)
    gpio.claim_output(5, False)
    assert control.state()["stacks"]["4"]["on"] == [0, 1]
    gpio.close()
    control.close()
    later = SimGpio(SimControl(state_dir))
    assert later.keeps_outputs()
    assert (later.function(5), later.level(5)) == (Function.OUTPUT, False)
    later.write(5, True)
    assert control.state()["stacks"]["4"]["on"] == []
    with pytest.raises(PinError):
        later.level(99)


def test_interrupt_lines_are_heard(state_dir: Path, control: SimControl) -> None:
    gpio = SimGpio(control)
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    gpio.watch(27, Edge.BOTH, lambda: heard.put("hot"))
    gpio.watch(17, Edge.FALLING, lambda: heard.put("knob"))
    until(lambda: 17 in gpio._levels and 27 in gpio._levels)
    control.temperature(0, 95.0)
    assert heard.get(timeout=20) == "hot"
    assert not gpio.level(27)
    SimBus(state_dir, 1).write_byte_data(0x20, 7, 0xE0)
    control.turn(1)  # nobody reads the expander: the line falls with the first contact and rises with the last
    control.press()
    control.temperature(0, None)
    assert [heard.get(timeout=20) for _ in range(3)] == ["knob", "knob", "hot"]
    with pytest.raises(NotFound):
        control.temperature(9, 1.0)
    gpio.close()


def test_an_outlet_switches_its_slots_and_has_its_faults(control: SimControl) -> None:
    port = SimPort(control, 5, frozenset({0, 2}))
    assert port.lane == "sim-5"
    reading = port.read(None)
    assert (reading.value, reading.known) == (0, 0b101)
    port.write(0, 0b100)
    assert port.read(None).value == 0b100
    assert control.state()["stacks"]["5"]["on"] == [2]
    control.add_fault(SimFault(kind=FaultKind.MISSING, stack=5))
    with pytest.raises(BusNack):
        port.write(0b100, 0)
    control.clear_faults()
    assert port.read(None).value == 0b100
    with pytest.raises(NotFound):
        SimPort(control, 0, frozenset({0})).read(None)


def test_the_display_is_read_from_outside(state_dir: Path, control: SimControl) -> None:
    from graped.hardware.panel import Panel

    Panel(SimBus(state_dir, 1)).show(("hello", "rack"), red=False, green=True)
    shown = control.display()
    assert shown.lines == ("hello           ", "rack            ")
    assert (shown.red, shown.green) == (False, True)
    control.apply(RackPlan(stacks={}))
    with pytest.raises(NotFound):
        control.display()


def test_the_racks_process_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys, graped.hardware.sim.process as p\n"
        "bad = {'pydantic', 'fastapi', 'smbus2', 'click', 'toml', 'ClusterShell', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
