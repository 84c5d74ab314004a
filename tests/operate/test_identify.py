"""Blinking: the script on made-up LEDs in real shells, then over a real SSH server that loses its connection."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graped.errors import Cancelled, CommandFailed, NoLed
from graped.network.ssh_client import Endpoint, Session, connect
from graped.network.ssh_keys import KeyRing
from graped.operate.facts.identify import NO_LED, SCRIPT, blink
from graped.work import Work
from tests.network.sshd import LOOPBACK, sshd

SHELLS = [shell for shell in (("dash",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]
PI = "none rc-feedback kbd-scrolllock timer oneshot heartbeat backlight cpu [mmc0] default-on\n"


def led(leds: Path, name: str, trigger: str = PI, brightness: str = "0\n", **more: str) -> Path:
    """Make an LED whose files are files: a write to ``trigger`` replaces the list."""
    path = leds / name
    path.mkdir(parents=True)
    for file, text in {"trigger": trigger, "brightness": brightness, "max_brightness": "255\n", **more}.items():
        (path / file).write_text(text)
    return path


@contextlib.contextmanager
def script(leds: Path, seconds: int, shell: tuple[str, ...] = ("sh",)) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [*shell, "-c", SCRIPT, "identify", str(seconds)], env={**os.environ, "GRAPE_LEDS": str(leds)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(5)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def until(what: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.02)


def said(child: subprocess.Popen[str]) -> tuple[int, str]:
    code = child.wait(20)
    assert child.stdout is not None
    return code, child.stdout.read().strip()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_it_blinks_by_the_timer_for_its_time_and_puts_back_what_was(tmp_path: Path, shell: tuple[str, ...]) -> None:
    led(tmp_path, "PWR", "none timer [default-on]\n")
    act = led(tmp_path, "ACT", delay_on="500\n", delay_off="500\n")
    begun = time.monotonic()
    with script(tmp_path, 3, shell) as child:
        until(lambda: (act / "delay_off").read_text() == "100\n")
        assert (act / "trigger").read_text() == "timer\n"
        assert said(child) == (0, "ACT")
    assert time.monotonic() - begun >= 2.9
    assert (act / "trigger").read_text() == "mmc0\n"
    assert (tmp_path / "PWR" / "trigger").read_text() == "none timer [default-on]\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
@pytest.mark.parametrize("end", ["hangup", "term", "all of its group"])
def test_it_is_put_back_when_the_connection_or_the_script_ends(
    tmp_path: Path, shell: tuple[str, ...], end: str
) -> None:
    act = led(tmp_path, "led0")
    with script(tmp_path, 60, shell) as child:
        until(lambda: (act / "trigger").read_text() == "timer\n")
        assert child.stdin is not None
        time.sleep(0.1)  # it waits now
        if end == "hangup":
            child.stdin.close()
        elif end == "term":
            child.terminate()
            child.stdin.close()
        else:
            os.killpg(child.pid, signal.SIGTERM)
        assert child.wait(20) == 0
    assert (act / "trigger").read_text() == "mmc0\n"


def test_an_led_without_triggers_is_switched_by_hand_and_left_as_bright_as_it_was(tmp_path: Path) -> None:
    led(tmp_path, "status", "[none] default-on\n", "255\n")
    seen = set()
    with script(tmp_path, 2) as child:
        while child.poll() is None:
            seen.add((tmp_path / "status" / "brightness").read_text())
            time.sleep(0.02)
        assert said(child) == (0, "status")
    assert {"0\n", "255\n"} <= seen
    assert (tmp_path / "status" / "trigger").read_text() == "none\n"
    assert (tmp_path / "status" / "brightness").read_text() == "255\n"


def test_heartbeat_where_there_is_no_timer(tmp_path: Path) -> None:
    act = led(tmp_path, "ACT", "none heartbeat [mmc0]\n")
    with script(tmp_path, 30) as child:
        until(lambda: (act / "trigger").read_text() == "heartbeat\n")
        assert child.stdin is not None
        child.stdin.close()
        child.wait(5)
    assert (act / "trigger").read_text() == "mmc0\n"


def test_a_board_without_an_led_says_so(tmp_path: Path) -> None:
    with script(tmp_path, 1) as child:
        assert said(child) == (NO_LED, f"no LED in {tmp_path}")


# --- over SSH -------------------------------------------------------------------------------------------


@pytest.fixture
def leds(tmp_path: Path) -> Path:
    return tmp_path / "leds"


@pytest.fixture
def session(tmp_path: Path, leds: Path) -> Iterator[Session]:
    if os.geteuid() != 0:
        pytest.skip("needs root: an LED is root's, so it is root who logs in")
    leds.mkdir()
    ring = KeyRing(tmp_path / "ssh")
    hosts = ring.host_keys("worker-0-0")
    (tmp_path / "authorized").write_text(ring.cluster_public_key() + "\n")
    more = (f"AuthorizedKeysFile {tmp_path}/authorized", "StrictModes no", "PermitRootLogin yes")
    with sshd(tmp_path, [hosts / "ssh_host_ed25519_key"], *more, f"SetEnv GRAPE_LEDS={leds}") as port:
        at = Endpoint(name="worker-0-0", address=LOOPBACK, port=port, user="root",
                      host_keys=ring.public_keys("worker-0-0"))  # fmt: skip
        with connect(at, ring.cluster_key(), timeout_s=10.0) as one:
            yield one


def test_a_node_blinks_over_ssh(session: Session, leds: Path) -> None:
    act = led(leds, "ACT")
    assert blink(session, 1.0, Work()) == "ACT"
    assert (act / "trigger").read_text() == "mmc0\n"


def test_no_led_is_an_error_of_its_own(session: Session) -> None:
    with pytest.raises(NoLed, match="worker-0-0: no LED in"):
        blink(session, 1.0, Work())


@pytest.mark.parametrize("how", ["cancelled", "cut"])
def test_whoever_gives_up_leaves_no_led_blinking(session: Session, leds: Path, how: str) -> None:
    act, work = led(leds, "ACT"), Work()
    ends: list[BaseException] = []

    def blinking() -> None:
        try:
            blink(session, 60.0, work)
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=blinking)
    thread.start()
    until(lambda: (act / "trigger").read_text() == "timer\n")
    if how == "cancelled":
        work.cancel()
    else:
        session.close()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(ends[0], Cancelled if how == "cancelled" else CommandFailed)
    until(lambda: (act / "trigger").read_text() == "mmc0\n")
