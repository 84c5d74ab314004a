"""A master with the kernel's own drivers: graped as it is installed, on /dev/i2c-0 and /dev/gpiochip1 of a guest.

The guest is a kernel of its own (User-Mode Linux) with Debian 12 and Debian's Python. Its I2C bus is i2c-stub's
(:mod:`tests.lab.kernel.stub`), its GPIO chip gpio-sim's, labelled as the one of a Pi 4. Another chip comes first, so
that a program which takes the first one takes the wrong one. Nothing of it comes from a network.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from graped.api.client import Client
from graped.errors import Unreachable
from tests.lab.cache import cached, key_of
from tests.lab.kernel.stub import i2c_stub
from tests.lab.machines import Uml
from tests.lab.machines.uml import from_folder
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login
from tests.lab.suites.system import chips
from tests.lab.wheelhouse import wheelhouse

T = TypeVar("T")
ADDRESS: Final = "10.77.0.2"
SITE: Final = "/opt/grape/site"  # Grape as pip has installed it from the wheelhouse
NEEDS: Final = "/opt/grape/needs"  # what it depends on: a folder of this machine
STATE: Final = "/run/grape"
CONFIG: Final = f"{STATE}/config.toml"
SOCKET: Final = f"{STATE}/graped.sock"
LOG: Final = f"{STATE}/log"
PI4: Final = "c03111"  # the revision that rpi-lgpio asks for: a Pi 4's
GRAPED: Final = "[m] graped --config"  # its command line, and not that of who looks for it
BOOT_S: Final = 180.0
DO_S: Final = 120.0
START_S: Final = 120.0  # graped, in a guest on a machine with much to do
CONSOLE: Final = 3000  # characters of it that are told where something went wrong
STUB: Final = "/i2c-stub.ko"
MODULE: Final = "/sys/module/i2c_stub/parameters/chip_addr"
SIM: Final = "/sys/kernel/config/gpio-sim"
INITTAB: Final = "::sysinit:/bin/sh /setup\n::respawn:/usr/sbin/sshd -D\n"
SETUP: Final = f"""set -e
mount -t proc proc /proc && mount -t sysfs sys /sys
mount -t tmpfs run /run && mount -t configfs config /sys/kernel/config
mount -t hostfs needs {NEEDS} -o NEEDS
mkdir -p /dev/pts /run/sshd {STATE} && mount -t devpts pts /dev/pts && mount -t tmpfs tmp /tmp
ip link set lo up
for chip in other pinctrl-bcm2711; do
    mkdir -p {SIM}/$chip/bank
    echo 28 > {SIM}/$chip/bank/num_lines && echo $chip > {SIM}/$chip/bank/label && echo 1 > {SIM}/$chip/live
done
"""
# The wire, as the kernel's log tells it: send byte, write byte and write word of i2c-stub.
WRITE: Final = re.compile(r"i2c-\d+: smbus (byte|byte data|word data) - addr 0x(\w\w), wrote 0x(\w+)(?: at 0x(\w\w))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One byte or word that went out; ``register`` is None for a byte without one."""

    address: int
    value: int
    register: int | None = None


class Board:
    """The guest, and graped in it."""

    def __init__(self, run: Run) -> None:
        network = Network(run)
        self._control = control = network.place("control", address="10.77.0.1/24")
        key = Key(run)
        guest = Uml(network, "drivers", "02:00:00:00:00:02")
        words = ("init=/usr/bin/busybox", "init", "log_buf_len=8M", "loglevel=4")
        tree = _tree(run, key)
        guest.cmdline = from_folder(tree, f"{ADDRESS}/24", "drivers", *words)
        guest.power_on()
        _install(tree)  # while it boots
        self._console = guest.console
        self.login = Login(control, key, ADDRESS)
        self.login.wait(BOOT_S)
        self._socket = run.room / "api.sock"
        self._shared = ("-o", f"ControlPath={run.room / 'ssh'}")  # one connection: a new one takes half a second
        ssh, *rest = self.login.command("")
        options = ("-N", "-o", "ControlMaster=yes", *self._shared, "-L", f"{self._socket}:{SOCKET}")
        control.spawn(ssh, *options, *rest[:-1], log=run.room / "forward")
        until(self._socket.exists)
        self._pins = self.do("echo /sys/devices/platform/gpio-sim.*/gpiochip1").strip()

    def do(self, command: str, *, code: int = 0) -> str:
        """Run a shell command that has to end with ``code``; what it says on standard error is told too."""
        ssh, *rest = self.login.command(command)
        try:
            done = self._control.do(ssh, *self._shared, *rest, timeout_s=DO_S, check=False)
        except subprocess.TimeoutExpired as error:
            said = f"{error.stdout or b''!r}{error.stderr or b''!r}\n{self._console.text()[-CONSOLE:]}"
            raise AssertionError(f"{command!r} has not ended within {DO_S:g} s; then the console:\n{said}") from error
        assert done.returncode == code, f"{command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    # --- the hardware ---------------------------------------------------------------------------------

    def plug_in_bus(self) -> None:
        """Load i2c-stub, with its chips as they are after a power-on."""
        parked = ",".join(map(hex, chips.PARKED))
        self.do(f"busybox insmod {STUB} chip_addr={parked} && python3 /chips.py power-on")
        self.set_chips(*chips.ADDRESSES)

    def pull_out_bus(self, *, code: int = 0) -> str:
        """Unload i2c-stub."""
        return self.do("busybox rmmod i2c-stub", code=code)

    def set_chips(self, *addresses: int) -> None:
        """Let the bus have chips at other addresses; each keeps what it holds."""
        self.do(f"echo {','.join(map(hex, addresses))} > {MODULE}")

    def port(self) -> int:
        """Read the power port of stack 0, without graped."""
        return int(self.do("python3 /chips.py port"))

    def set_word(self, address: int, register: int, word: int) -> None:
        """Put a big-endian word into a chip."""
        self.do(f"python3 /chips.py word {address} {register} {word}")

    def word(self, address: int, register: int) -> int:
        """Read a big-endian word of a chip, without graped."""
        return int(self.do(f"python3 /chips.py word {address} {register}"))

    def set_byte(self, address: int, register: int, value: int) -> None:
        """Put a byte into a chip."""
        self.do(f"python3 /chips.py byte {address} {register} {value}")

    def mark(self) -> str:
        """Mark this moment in the trace of the wire."""
        mark = f"mark {time.monotonic_ns()}"
        self.do(f"echo {mark} > /dev/kmsg")
        return mark

    def trace(self, since: str) -> str:
        """Give what the kernel's log has since a mark: each transaction is a line."""
        _, found, after = self.do("dmesg").partition(since)
        assert found, "the kernel's log is too short"
        return after

    def written(self, since: str) -> list[Write]:
        """Tell what went out on the wire since a mark."""
        return [
            Write(address=int(address, 16), value=int(value, 16), register=int(register, 16) if register else None)
            for _, address, value, register in WRITE.findall(self.trace(since))
        ]

    def level(self, pin: int) -> bool:
        """Tell the level on a GPIO line, without graped."""
        return self.do(f"cat {self._pins}/sim_gpio{pin}/value").strip() == "1"

    def pull(self, pin: int, *, up: bool) -> datetime:
        """Pull a GPIO line, as something outside does; tell when, by the guest's clock."""
        said = self.do(f"date +%s.%N; echo pull-{'up' if up else 'down'} > {self._pins}/sim_gpio{pin}/pull")
        return datetime.fromtimestamp(float(said), UTC)

    # --- graped ---------------------------------------------------------------------------------------

    def config(self, text: str, path: str = CONFIG) -> None:
        """Write a configuration."""
        self.do(f"cat > {path} <<'END'\n{text}\nEND")

    def start(self, prefix: str = "", *, settled: bool = True) -> None:
        """Start graped without ``--simulate``, and wait until it answers and has looked at every stack."""
        self.do(f"while pkill --signal KILL --full '{GRAPED}'; do sleep 0.05; done")  # of a test that failed
        graped = f"python3 -m graped --config {CONFIG} --state-dir {STATE}/state --socket {SOCKET}"
        self.do(f"(cd / && exec {prefix} setsid {graped}) >> {LOG} 2>&1 < /dev/null &")
        try:
            until(lambda: self._answers() and not (settled and "starting" in self.states()), START_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def stop(self, signal: str) -> None:
        """Send a signal, and wait for its end."""
        self.do(f"pkill --signal {signal} --full '{GRAPED}' && while pgrep --full '{GRAPED}'; do sleep 0.05; done")

    def log(self) -> str:
        """What graped and the console have said last."""
        return self.do(f"tail -n 60 {LOG}") + self._console.text()[-CONSOLE:]

    def get(self, path: str, **query: object) -> Any:
        """Ask the API."""
        return Client(self._socket, 30.0).get(path, **query)

    def switch(self, verb: str, nodes: str) -> dict[str, Any]:
        """Switch slots, wait for the job's end, and give it."""
        job = Client(self._socket, 30.0).post("/v1/power", {"nodes": nodes, "verb": verb})
        ended: dict[str, Any] = until(lambda: one if (one := self.get(f"/v1/jobs/{job['id']}"))["ended"] else None)
        return ended

    def states(self) -> list[str]:
        """Tell each stack's state."""
        return [stack["state"] for stack in self.get("/v1/stacks")]

    def stack(self, key: int) -> dict[str, Any]:
        """Give one stack."""
        found: dict[str, Any] = self.get(f"/v1/stacks/{key}")
        return found

    def observed(self, nodes: str) -> list[str]:
        """Tell what these nodes' power was read as."""
        return [node["power"]["observed"] for node in self.get("/v1/nodes", nodes=nodes)]

    def events(self) -> list[dict[str, Any]]:
        """Give all events, the oldest first."""
        found: list[dict[str, Any]] = self.get("/v1/events", limit=1000)
        return found

    def _answers(self) -> bool:
        try:
            return bool(self.get("/v1/version"))
        except Unreachable:
            return False


def until(check: Callable[[], T], timeout_s: float = 60.0) -> T:
    """Wait until something is so, and give it."""
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.05)
    return found


def _tree(run: Run, key: Key) -> Path:
    """Make the guest's root: Debian with Python, and i2c-stub."""
    tree = overlay(run, root("server"), "drivers")
    key.let_in(tree)
    subprocess.run(("ssh-keygen", "-A", "-f", tree), check=True, capture_output=True)
    shutil.copy("/usr/bin/busybox", tree / "usr/bin")
    shutil.copy(i2c_stub(), tree / STUB.lstrip("/"))
    shutil.copy(Path(chips.__file__), tree)
    environment = f"PYTHONPATH={SITE}:{NEEDS}\nRPI_LGPIO_REVISION={PI4}\n"
    (tree / "etc/environment").write_text(environment)
    (tree / "etc/inittab").write_text(INITTAB)
    (tree / NEEDS.lstrip("/")).mkdir(parents=True)
    (tree / "setup").write_text(SETUP.replace("NEEDS", str(_needs())))
    return tree


def _install(tree: Path) -> None:
    """Install Grape as it is here, from its wheelhouse."""
    _pip(tree / SITE.lstrip("/"), "--no-deps", *map(str, wheelhouse().glob("grape-*.whl")))


def _needs() -> Path:
    """Install what Grape depends on, once."""
    wheels = sorted(path.name for path in wheelhouse().glob("*.whl") if not path.name.startswith("grape-"))
    return cached("site", key_of(json.dumps(wheels)), _make_needs)


def _make_needs(into: Path) -> None:
    _pip(into, "grape[gpio-lgpio]")
    for ours in into.glob("grape*"):  # its own wheel is another one after each edit
        shutil.rmtree(ours)


def _pip(into: Path, *what: str) -> None:
    words = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheelhouse()))
    done = subprocess.run(
        (*words, "--target", str(into), *what), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
