"""A clock that is years off is repaired, on a guest that has a clock of its own: no other machine's may be set."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from grape_docker.nodes import clock
from grape_docker.nodes.look import look_at_machine
from grape_docker.nodes.remote import log_in, opened
from graped.network.ssh_client import Endpoint
from tests.lab.machines import Uml
from tests.lab.machines.uml import from_folder
from tests.lab.network import Network, inside
from tests.lab.overlay import overlay
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login

NAME, ADDRESS = "worker-0-5", "10.77.0.25"
TWO_YEARS_S = 2 * 31_557_600
BOOT_S = 120.0


def test_two_years_off_is_repaired_where_the_clock_is_the_nodes_own(
    lab: Run, record_property: Callable[[str, object], None]
) -> None:
    network, key = Network(lab), Key(lab)
    control = network.place("control", address="10.77.0.1/24")
    tree = overlay(lab, root("node"), NAME)
    key.let_in(tree)
    subprocess.run(("ssh-keygen", "-A", "-f", tree), check=True, capture_output=True)
    guest = Uml(network, NAME, "02:00:00:00:00:25")
    guest.cmdline = from_folder(tree, f"{ADDRESS}/24", NAME, "panic=-1")
    guest.power_on()
    login = Login(control, key, ADDRESS)
    login.wait(BOOT_S)
    host_key = " ".join((tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])
    endpoint = Endpoint(name=NAME, address=ADDRESS, host_keys=(host_key,))
    ours = time.time() - time.monotonic()

    for skew_s, words in ((-TWO_YEARS_S, "2.0 years behind"), (TWO_YEARS_S, "2.0 years ahead")):
        login.do(f"date -s @{time.time() + skew_s:.0f}")

        def repair() -> tuple[str, float, float]:
            with opened(endpoint, key.path, log_in) as node:
                before = look_at_machine(node)
                assert clock.is_off(before)
                step = clock.repair(node, before)
                return step, before.skew_s, look_at_machine(node).skew_s

        step, before_s, after_s = inside(control.namespace, repair)
        assert step == f"clock set: it was {words}"
        assert abs(before_s - skew_s) < 60.0
        assert abs(after_s) < clock.MAX_SKEW_S
        record_property("summary", f"clock of a guest: {before_s:.0f} s off, {after_s:+.2f} s after the repair")
    assert abs(time.time() - time.monotonic() - ours) < 60.0, "the clock of this machine was set"
