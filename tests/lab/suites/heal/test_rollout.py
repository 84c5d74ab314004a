"""A new image goes to real machines wave by wave, and comes back from the first one that it does not suit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from tests.lab.suites.heal.conftest import Wards
from tests.lab.ward import IMAGE, QUICK, Ward
from tests.live.daemon import BIN

NODES: Final = ("worker-0-0", "worker-0-1", "worker-0-2")
ALL: Final = "worker-0-[0-2]"
CANARY: Final = NODES[0]
UP_S: Final = 240.0
ROLL_S: Final = 400.0
# A node that shows nothing for so long is late: its rollout waits no longer.
DEADLINES = QUICK.replace("kernel_s = 180", "kernel_s = 90").replace("root_s = 240", "root_s = 60")
DEADLINES = DEADLINES.replace("[power]\n", "[power]\nsettle_s = 0.5\n")  # their disks are here, nothing is lost
PATIENCE: Final = ("--health-timeout", "15")
MARK: Final = "/etc/marked"
# The kernel's first process ends at once, and the kernel panics.
BREAK: Final = "rm /sbin/init; printf '#!/bin/false\\n' > /sbin/init; chmod 755 /sbin/init"


@pytest.fixture(scope="module")
def ward(wards: Wards) -> Ward:
    """Give three Pis that are up on a plain image; each test leaves them up."""
    ward = wards(pis=3, more=DEADLINES)
    ward.up(*NODES)
    return ward


@pytest.fixture(autouse=True)
def on_plain_image(ward: Ward) -> None:
    """Begin each test with all nodes up."""
    ward.wait_stage("up", *NODES, timeout_s=UP_S)


def changed(ward: Ward, name: str, script: str) -> str:
    """Make a version of the plain image, and give its name."""
    return ward.cli("image", "exec", "--quiet", "--name", name, IMAGE, "--", "sh", "-c", script).strip()


def marked(ward: Ward, name: str) -> str:
    """Make an image that boots, and can be told from others by its mark."""
    return changed(ward, name, f"echo {name} > {MARK}")


def rollout(image: str, *more: str) -> tuple[str, ...]:
    """Give the words of a rollout: a canary, then the two others."""
    health = () if "--health" in more else ("--health", f"test -s {MARK}")
    return ("image", "rollout", image, ALL, "--canary", "1", "--wave", "2", *health, *PATIENCE, "--yes", *more)


def attempt(ward: Ward, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run grapecli on the master, whatever comes of that."""
    command = ward.master.command(BIN / "grapecli", "--socket", ward.rack.daemon.socket, *words)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ROLL_S, env=dict(os.environ)
    )


def images(ward: Ward) -> dict[str, str]:
    """Tell which image each node runs."""
    return {name: str(ward.node(name)["root"]["image"]) for name in NODES}


def births(ward: Ward) -> dict[str, str]:
    """Tell each node's boot id: another one is another life."""
    return {name: ward.login_to(name).do("cat /proc/sys/kernel/random/boot_id") for name in NODES}


def check_only_canary_moved_and_is_back(ward: Ward, before: dict[str, str], born: dict[str, str]) -> None:
    """The canary was booted twice, and is up on its old root; the others were not touched."""
    ward.wait_stage("up", *NODES, timeout_s=UP_S)
    assert images(ward) == before
    now = births(ward)
    assert {name for name in NODES if now[name] != born[name]} == {CANARY}
    assert ward.login_to(CANARY).do("cat /root/mine") == "kept\n"  # its old root, not a fresh one


def test_a_good_image_moves_all(ward: Ward, record_property: pytest.RecordProperty) -> None:
    image, born = marked(ward, "good"), births(ward)
    began = time.monotonic()
    done = attempt(ward, *rollout(image))
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(images(ward).values()) == {image}
    now = births(ward)
    assert all(now[name] != born[name] for name in NODES)
    assert {ward.login_to(name).do(f"cat {MARK}") for name in NODES} == {"good\n"}
    assert min(NODES, key=lambda name: moment(ward, name)) == CANARY
    record_property("summary", f"rollout: a canary, then two nodes on a new image after {took_s:.0f} s")


def moment(ward: Ward, name: str) -> str:
    """Tell when a node came on last."""
    return str(ward.node(name)["timeline"][0]["at"])


def test_an_image_that_does_not_boot_stops_after_the_canary(ward: Ward, record_property: pytest.RecordProperty) -> None:
    ward.login_to(CANARY).do("echo kept > /root/mine; sync")
    image, before, born = changed(ward, "broken", BREAK), images(ward), births(ward)
    began = time.monotonic()
    done = attempt(ward, *rollout(image))
    took_s = time.monotonic() - began
    assert done.returncode == 1, done.stdout + done.stderr
    check_only_canary_moved_and_is_back(ward, before, born)
    assert CANARY in done.stdout + done.stderr
    told = ward.events("rollout") or ward.events("image.rollout")
    assert told, "nothing of it is in the event log"
    record_property(
        "summary",
        f"rollout: an image that does not boot stops after the canary, up on its old root again after {took_s:.0f} s",
    )


def test_an_image_that_is_not_healthy_stops_after_the_canary(ward: Ward) -> None:
    ward.login_to(CANARY).do("echo kept > /root/mine; sync")
    image, before, born = marked(ward, "unhealthy"), images(ward), births(ward)
    done = attempt(ward, *rollout(image, "--health", f"echo I am not well; ! grep unhealthy {MARK}"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "I am not well" in done.stdout + done.stderr
    check_only_canary_moved_and_is_back(ward, before, born)


def test_it_goes_on_after_a_crash_of_graped(ward: Ward, record_property: pytest.RecordProperty) -> None:
    image = marked(ward, "later")
    words = ward.master.command(BIN / "grapecli", "--socket", ward.rack.daemon.socket, *rollout(image))
    client = ward.run.spawn(words, ward.run.room / "rollout.log")
    asks = ward.rack.daemon.client()  # quicker than a program: the canary is not to be up before the crash
    ward.until(lambda: asks.get(f"/v1/nodes/{CANARY}/root")["image"] == image, UP_S, "it has its new root")
    ward.rack.daemon.stop(signal.SIGKILL)
    ward.rack.start()
    assert client.wait(60.0) != 0  # it is told that nothing goes on by itself
    ward.until(lambda: all(ward.node(name)["root"] for name in NODES), UP_S, "it has looked what roots there are")
    interrupted = {name: root for name, root in images(ward).items() if root == image}
    assert set(interrupted) == {CANARY}
    began = time.monotonic()
    done = attempt(ward, "image", "rollout", "--resume", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(images(ward).values()) == {image}
    assert {ward.login_to(name).do(f"cat {MARK}") for name in NODES} == {"later\n"}
    assert ward.rack.trouble() == []
    record_property(
        "summary", f"rollout: resumed after a SIGKILL of graped, done {time.monotonic() - began:.0f} s later"
    )
