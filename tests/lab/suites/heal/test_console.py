"""What a Pi says while it boots and runs arrives at the master, without an agent; and so do its facts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.lab.suites.heal.conftest import Wards
from tests.lab.ward import UP_S, Ward

ONE = "worker-0-0"
SOON_S = 60.0


@pytest.fixture(scope="module")
def ward(wards: Wards) -> Ward:
    return wards(pis=1)


def texts(ward: Ward, source: str) -> list[str]:
    """What the kernel or the services of the node said, as graped has it."""
    lines = ward.json("node", "log", ONE, "-n", "3000")["lines"]
    return [line["text"] for line in lines if line["source"] == source]


def boots(ward: Ward) -> int:
    """Count the boots that are seen, by one of the very first words of a kernel."""
    return sum("Kernel command line" in text for text in texts(ward, "kernel"))


def test_its_boot_its_late_words_and_the_mark_of_its_next_boot(
    ward: Ward, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    ward.up(ONE)
    ward.until(lambda: boots(ward) == 1, SOON_S, "its first words")
    ward.until(lambda: any("Mounted root" in text for text in texts(ward, "kernel")), SOON_S, "its root")
    ward.until(lambda: any("Server listening" in text for text in texts(ward, "system")), SOON_S, "its SSH server")
    assert any("Linux version" in text for text in texts(ward, "kernel"))  # the first of all
    lines, seconds = len(texts(ward, "kernel")), time.monotonic() - started
    said = time.monotonic()
    ward.login_to(ONE).do("echo '<3>a late word' >/dev/kmsg; logger -t lab 'a word of a service'")
    ward.until(lambda: "a late word" in texts(ward, "kernel"), SOON_S, "a late word")
    late_s = time.monotonic() - said
    ward.until(lambda: any("a word of a service" in text for text in texts(ward, "system")), SOON_S, "a service")
    ward.cli("power", "cycle", ONE, "--wait", "--force", "--yes")
    ward.wait_stage("up", ONE)
    ward.until(lambda: boots(ward) == 2, SOON_S, "its second boot")
    assert "--- its power came on ---" in texts(ward, "grape")
    assert "a late word" in texts(ward, "kernel")  # what was said before is still there
    ward.login_to(ONE).do("(sleep 0.5; systemctl reboot) >/dev/null 2>&1 &")
    ward.until(lambda: boots(ward) == 3, UP_S, "its third boot")
    assert texts(ward, "grape") == ["--- its power came on ---", "--- it started again ---"]
    record_property(
        "summary", f"a boot: {lines} lines of a kernel, up and read after {seconds:.1f} s; a word takes {late_s:.1f} s"
    )


def test_its_facts_are_gathered_when_it_comes_up(ward: Ward) -> None:
    ward.login_to(ONE).wait(UP_S)
    # It has started again behind graped's back, as fast as only this kernel does: graped need not have noticed.
    ward.until(lambda: ward.json("facts", ONE)[0]["at"] is not None, 2 * SOON_S, "its facts")
    ward.cli("facts", ONE, "--refresh")
    (facts,) = ward.json("facts", ONE)
    assert facts["boot_id"] == ward.login_to(ONE).do("cat /proc/sys/kernel/random/boot_id").strip()
    assert facts["kernel"] == ward.login_to(ONE).do("uname -r").strip()
    assert facts["disks"][0]["mount"] == "/"
    assert "temperature" in facts["missing"]
    # Beside a node they are shown while it is known to be up; it is asked for them again when it has been lost.
    ward.until(lambda: (ward.node(ONE)["facts"] or {}).get("load") is not None, SOON_S, "facts beside the node")


def test_a_node_without_an_led_says_so(ward: Ward) -> None:
    done = ward.cli("node", "identify", ONE, "--seconds", "1", code=1)
    assert "no LED in /sys/class/leds" in done
