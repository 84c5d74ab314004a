"""Start, stop, reload, take over: what a service manager and a careless person do to graped."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from graped.hardware.sim import start as rack
from tests.live.daemon import BIN, FAST, TWO_STACKS, Daemon


def trace_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def writes_to_ports(path: Path) -> list[dict[str, object]]:
    return [
        line
        for line in trace_of(path)
        if 0x38 <= int(str(line["address"])) <= 0x3F and "receive" not in str(line["op"])
    ]


def wait_until(true, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_restart_and_a_kill_leave_every_slot_as_it_is(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    daemon = Daemon(tmp_path, TWO_STACKS + FAST, "--sim-trace", str(trace))
    with daemon:
        assert daemon.cli("power", "on", "worker-0-[0-2],worker-1-5", "--wait").returncode == 0
        before = daemon.observed()
        written = len(writes_to_ports(trace))
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            code = daemon.stop(how)
            assert code == (-9 if how is signal.SIGKILL else 0)
            daemon.start()
            assert daemon.observed() == before
        assert len(writes_to_ports(trace)) == written, "a start wrote to a power port"
        assert written >= 4


def test_status_has_the_fixed_words(daemon: Daemon) -> None:
    daemon.cli("power", "on", "worker-0-1", "--wait")
    status = daemon.status()
    assert {"revision", "stacks", "nodes"} <= status.keys()
    assert {"id", "bus", "address", "state", "meters"} <= status["stacks"][0].keys()
    node = next(node for node in status["nodes"] if node["name"] == "worker-0-1")
    assert {"name", "stack", "slot", "mac", "power", "stage"} <= node.keys()
    assert {"desired", "observed", "fault", "since"} <= node["power"].keys()
    assert (node["power"]["desired"], node["power"]["observed"]) == ("on", "on")


def test_a_second_daemon_is_refused_and_harms_nobody(daemon: Daemon, tmp_path: Path) -> None:
    daemon.cli("power", "on", "worker-0-0", "--wait")
    for more in (["--socket", tmp_path / "other.sock"], ["--socket", daemon.socket]):
        second = subprocess.run(
            [BIN / "graped", "--simulate", "--config", daemon.config, "--state-dir", daemon.state, *more],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "another" in second.stderr.lower()
    assert daemon.observed()["worker-0-0"] == "on"


def test_a_stale_socket_is_taken_over_and_a_live_one_is_not(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "s.sock"))
    stale.close()
    with Daemon(tmp_path) as daemon:
        mode = stat.S_IMODE(os.stat(daemon.socket).st_mode)
        assert mode == 0o660
        assert daemon.cli("version").returncode == 0


def test_sighup_takes_what_can_change_and_tells_the_rest(daemon: Daemon) -> None:
    old = daemon.config.read_text()
    daemon.config.write_text(
        old.replace('mac = "02:00:00:00:00:03"', 'mac = "02:00:00:00:00:33"') + "[gpio]\novertemp_pin = 5\n"
    )
    daemon.process.send_signal(signal.SIGHUP)
    node = lambda: daemon.client().get("/v1/nodes/worker-0-3")  # noqa: E731
    wait_until(lambda: node()["mac"] == "02:00:00:00:00:33")
    event = next(one for one in daemon.client().get("/v1/events", limit=100) if one["kind"] == "config.reloaded")
    assert any("gpio.overtemp_pin" in line for line in event["fields"]["needs_restart"])


def test_a_reload_with_a_mistake_changes_nothing(daemon: Daemon) -> None:
    daemon.config.write_text("[cluster.stacks.99]\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(one["kind"] == "config.refused" for one in daemon.client().get("/v1/events", limit=100)))
    assert daemon.client().get("/v1/nodes/worker-0-3")["mac"] == "02:00:00:00:00:03"


def test_systemd_is_told_ready_watchdog_and_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    told: list[str] = []

    def listen() -> None:  # at once, as systemd does: only so many may wait
        while not told or told[-1] != "that is all":
            told.append(manager.recv(4096).decode())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    with Daemon(tmp_path) as daemon:
        wait_until(lambda: told.count("WATCHDOG=1") >= 2)
        assert any(line.startswith("READY=1") for line in told)
        assert "STOPPING=1" not in told
        assert daemon.stop() == 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"that is all", str(tmp_path / "notify"))
        listener.join(10)
        assert "STOPPING=1" in told


def test_a_start_that_fails_is_no_crash_and_hides_no_interrupted_job(tmp_path: Path) -> None:
    """A mistake in a file of the simulation ends graped before it has taken anything over."""
    daemon = Daemon(tmp_path, TWO_STACKS + FAST.replace("[power]", "[power]\nnode_watts = 20"))
    daemon.config.write_text("[cluster.stacks.0]\nbudget_watts = 30\n" + daemon.config.read_text())
    with daemon:
        assert daemon.cli("power", "on", "worker-0-[0-1]").returncode == 0  # the second waits for watts
        wait_until(lambda: daemon.observed()["worker-0-0"] == "on")
        daemon.stop(signal.SIGKILL)
        (tmp_path / "bad.toml").write_text("seed = 'x'\n")
        daemon.extra = ("--sim-faults", str(tmp_path / "bad.toml"))
        with pytest.raises(AssertionError, match="graped ended with 2"):
            daemon.start()
        daemon.extra = ()
        daemon.start()
        kinds = [one["kind"] for one in daemon.client().get("/v1/events", limit=100)]
        assert kinds.count("job.interrupted") == 1
        daemon.stop()
        daemon.extra = ("--sim-faults", str(tmp_path / "bad.toml"))
        with pytest.raises(AssertionError, match="graped ended with 2"):
            daemon.start()
        rack.stop(daemon.state)  # the port changes while graped is stopped
        daemon.extra = ()
        daemon.start()
        kinds = [one["kind"] for one in daemon.client().get("/v1/events", limit=100)]
        assert "port.changed_while_stopped" in kinds
        assert "port.changed_during_crash" not in kinds


def test_a_bad_configuration_stops_the_start_with_code_2_and_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[cluster.stacks.16]\n[power]\nstagger_s = "soon"\n')
    done = subprocess.run(
        [BIN / "graped", "--config", tmp_path / "bad.toml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "cluster.stacks.16" in done.stderr
    assert "power.stagger_s" in done.stderr


def test_real_hardware_that_is_not_there_is_a_fault_of_its_stacks_only(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(TWO_STACKS + FAST)
    command = [BIN / "graped", "--config", config, "--state-dir", tmp_path / "st", "--socket", tmp_path / "s.sock"]
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        daemon = Daemon(tmp_path)
        daemon.process = process
        wait_until(lambda: daemon.cli("version").returncode == 0)
        wait_until(lambda: all(one["state"] == "missing" for one in daemon.status()["stacks"]))
        stack = daemon.status()["stacks"][0]
        assert "bus 0" in stack["fault"]["message"]
        assert stack["fault"]["hint"]
        assert set(daemon.observed().values()) == {"unknown"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_reload_asked_during_the_start_does_not_end_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    command = [BIN / "graped", "--simulate", "--config", daemon.config, "--state-dir", daemon.state]
    process = daemon.process = subprocess.Popen([*command, "--socket", daemon.socket], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (daemon.state / "sim.pid").exists())
        for _ in range(50):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        wait_until(lambda: daemon.cli("version").returncode == 0)
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()
