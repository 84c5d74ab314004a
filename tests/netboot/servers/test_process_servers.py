"""Detached servers: real processes, really killed."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graped.errors import ServerError
from graped.netboot.servers import ProcessServers, ServerSpec, record
from graped.runner import SubprocessRunner

FAKE = Path(__file__).with_name("fake_server.py")
DEADLINE_S = 20.0


class Time:
    """A monotonic clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_spec(folder: Path, mode: str = "stays") -> ServerSpec:
    return ServerSpec(
        name="fake",
        argv=(sys.executable, str(FAKE), mode, str(folder / "told")),
        unit="grape-fake.service",
        pid_file=folder / "run" / "fake.json",
        output=folder / "run" / "fake.out",
    )


def make_servers(clock: Time | None = None, settle_s: float = 0.3) -> ProcessServers:
    return ProcessServers(SubprocessRunner(), monotonic=clock or time.monotonic, settle_s=settle_s, stop_s=3.0)


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[ServerSpec]:
    spec = make_spec(tmp_path)
    yield spec
    make_servers().stop(spec)


def told(spec: ServerSpec) -> list[str]:
    sheet = Path(spec.argv[-1])
    return sheet.read_text().split() if sheet.exists() else []


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [other for other in pids if (seen := record.look(other)) and seen.parent == pid]


def pid_of(servers: ProcessServers, spec: ServerSpec) -> int:
    pid = servers.running(spec)
    assert pid is not None
    return pid


def test_a_server_is_started_once_in_a_session_of_its_own_and_is_no_child(spec: ServerSpec) -> None:
    servers = make_servers()
    assert servers.running(spec) is None
    assert servers.ensure(spec)
    pid = pid_of(servers, spec)
    assert not servers.ensure(spec)
    assert pid_of(servers, spec) == pid
    assert os.getsid(pid) == pid
    assert pid not in children_of(os.getpid())
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)] == [
        "/dev/null",
        str(spec.output),
        str(spec.output),
    ]
    wait_for(lambda: told(spec) == ["started"])


def test_it_outlives_a_killed_graped_and_is_adopted(spec: ServerSpec, tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from tests.netboot.servers.test_process_servers import *;"
        f"make_servers().ensure(make_spec(pathlib.Path({str(tmp_path)!r}))); print('up', flush=True); time.sleep(60)"
    )
    graped = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert graped.stdout is not None
    assert graped.stdout.readline() == "up\n"
    pid = pid_of(make_servers(), spec)
    graped.kill()
    graped.wait()
    graped.stdout.close()
    assert not make_servers().ensure(spec)
    assert pid_of(make_servers(), spec) == pid
    wait_for(lambda: told(spec) == ["started"])


def test_a_killed_server_is_started_again_and_leaves_no_zombie_here(spec: ServerSpec) -> None:
    servers = make_servers()
    servers.ensure(spec)
    before = children_of(os.getpid())
    pid = pid_of(servers, spec)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: servers.running(spec) is None)
    assert servers.ensure(spec)
    assert pid_of(servers, spec) != pid
    assert children_of(os.getpid()) == before


def test_where_graped_is_the_init_of_a_container_it_buries_its_dead(spec: ServerSpec, tmp_path: Path) -> None:
    program = f"""
import ctypes, pathlib, os, signal
from tests.netboot.servers.test_process_servers import *
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to an init
servers, spec = make_servers(), make_spec(pathlib.Path({str(tmp_path)!r}))
servers.ensure(spec)
pid = servers.running(spec)
assert children_of(os.getpid()) == [pid]
wait_for(lambda: told(spec) == ['started'])
os.kill(pid, signal.SIGKILL)
wait_for(lambda: servers.running(spec) is None)
servers.ensure(spec)
assert children_of(os.getpid()) == [servers.running(spec)]
wait_for(lambda: told(spec) == ['started', 'started'])
servers.stop(spec)
assert children_of(os.getpid()) == []
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert told(spec) == ["started", "started"]


@pytest.mark.parametrize("field", ["started_ticks", "boot_id", "argv"])
def test_a_recycled_pid_is_not_taken_for_the_server(spec: ServerSpec, field: str) -> None:
    servers = make_servers()
    stranger = subprocess.Popen(["sleep", "60"])
    wait_for(lambda: Path(f"/proc/{stranger.pid}/cmdline").read_bytes() == b"sleep\0" + b"60\0")  # empty at first
    try:
        seen = record.look(stranger.pid)
        assert seen is not None
        true = record.Record(
            pid=stranger.pid, started_ticks=seen.started_ticks, boot_id=record.boot_id(), argv=("sleep", "60")
        )
        wrong = {"started_ticks": seen.started_ticks - 1, "boot_id": "another", "argv": ("sleep", "61")}[field]
        spec.pid_file.parent.mkdir(parents=True)
        record.write(spec.pid_file, true)
        assert servers.running(spec) == stranger.pid
        record.write(spec.pid_file, dataclasses.replace(true, **{field: wrong}))  # type: ignore[arg-type]
        assert servers.running(spec) is None
        with pytest.raises(ServerError, match="does not run"):
            servers.reload(spec)
        servers.stop(spec)
        assert stranger.poll() is None
        assert servers.ensure(spec)
        assert servers.running(spec) != stranger.pid
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started_ticks": 1}', "\xff"])
def test_a_broken_record_is_no_server(spec: ServerSpec, content: str) -> None:
    spec.pid_file.parent.mkdir(parents=True)
    spec.pid_file.write_text(content, encoding="latin-1")
    assert make_servers().running(spec) is None
    assert make_servers().ensure(spec)


def test_a_crash_loop_is_slowed_down_and_told_with_the_last_words(tmp_path: Path) -> None:
    spec, clock = make_spec(tmp_path, "dies"), Time()
    servers = make_servers(clock, settle_s=DEADLINE_S)  # however busy the machine is
    tries: list[float] = []
    for _ in range(400):
        with pytest.raises(ServerError, match=r"fake .*: fake: address already in use"):
            servers.ensure(spec)
        if len(told(spec)) > len(tries):
            tries.append(clock.now - 1000)
        clock.now += 1.0
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[0] == 1.0  # one death is nothing
    assert pauses == sorted(pauses)
    assert len(tries) <= 12
    assert pauses[-1] == pytest.approx(60.0, abs=1.0)


def test_a_server_that_ran_long_is_started_again_at_once(spec: ServerSpec) -> None:
    clock = Time()
    servers = make_servers(clock)
    for _ in range(4):
        assert servers.ensure(spec)
        clock.now += 61
        os.kill(pid_of(servers, spec), signal.SIGKILL)
        wait_for(lambda: servers.running(spec) is None)


def test_reload_is_a_signal(spec: ServerSpec) -> None:
    servers = make_servers()
    servers.ensure(spec)
    wait_for(lambda: told(spec) == ["started"])
    servers.reload(spec)
    wait_for(lambda: told(spec) == ["started", "reloaded"])


def test_another_command_line_or_a_wish_starts_it_anew(spec: ServerSpec) -> None:
    servers = make_servers()
    servers.ensure(spec)
    first = pid_of(servers, spec)
    changed = dataclasses.replace(spec, argv=(spec.argv[0], "-u", *spec.argv[1:]))
    assert servers.ensure(changed)
    second = pid_of(servers, spec)
    assert servers.ensure(changed, restart=True)
    assert len({first, second, pid_of(servers, spec)}) == 3
    assert record.look(first) is None or record.look(first).state == "Z"  # type: ignore[union-attr]


def test_a_stubborn_server_is_killed(tmp_path: Path) -> None:
    spec, servers = make_spec(tmp_path, "stubborn"), make_servers()
    servers.ensure(spec)
    wait_for(lambda: told(spec) == ["started"])
    servers.stop(spec)
    assert servers.running(spec) is None
    assert told(spec) == ["started", "refused"]
    servers.stop(spec)  # twice is fine


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    spec = dataclasses.replace(make_spec(tmp_path), argv=("/nowhere/dnsmasq", "-k"))
    with pytest.raises(ServerError, match="/nowhere/dnsmasq: No such file"):
        make_servers().ensure(spec)
    assert make_servers().running(spec) is None
