"""A master on which graped and its servers are units of a real systemd, with the simulated rack and things in slots.

The units are those of master_setup, as they are. The lab adds graped's command line, and a unit for the rack, because
hardware outlives graped. Grape lies where its installer puts it, but its files are those of this source tree.
"""

from __future__ import annotations

import json
import shutil
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from graped.api.client import Client
from graped.errors import Unreachable
from tests.lab import grown
from tests.lab.cluster import PREFIX, address
from tests.lab.machines.bare_machine import CLUSTER, SOURCE, BareMachine
from tests.lab.network import Network
from tests.lab.rack import RACK_SOCKET, Powered, Slot, Switches, nodes_file
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login

UNITS: Final = Path(__file__).parents[2] / "master_setup/files/units"
VENV: Final = "/opt/grape/venv"
LIBRARIES: Final = "/srv/libraries"
NODE: Final = "/srv/node"  # a tree to import
STATE: Final = "/var/lib/grape"
TRACE: Final = f"{STATE}/trace.jsonl"
NETBOOT: Final = f"""
[store]
state_dir = "{STATE}"
[netboot]
active = true
interface = "{CLUSTER}"
address = "{PREFIX}.1/24"
supervisor = "systemd"
nfs = "ganesha"
[power]
stagger_s = 0.1
inrush_s = 0.2
"""
INTERFACES: Final = f"""\
auto {CLUSTER}
iface {CLUSTER} inet static
    address {PREFIX}.1/24
"""
SIMULATED: Final = f"""\
[Unit]
Requires=grape-rack.service
After=grape-rack.service
[Service]
ExecStart=
ExecStart={VENV}/bin/graped --simulate --sim-netboot --sim-nodes /etc/grape/nodes.toml --sim-trace {TRACE}
"""
RACK: Final = f"""\
[Service]
Type=forking
StateDirectory=grape
StateDirectoryMode=0711
ExecStart={VENV}/bin/python -m graped.hardware.sim --state-dir {STATE}
"""
PROGRAM: Final = """\
#!{venv}/bin/python
import sys
from {name}.__main__ import main
sys.exit(main())
"""
LOOPS: Final = "mknod /dev/loop-control c 10 237; for n in $(seq 0 63); do mknod /dev/loop$n b 7 $n; done"
GROUPS: Final = "/sys/fs/cgroup/devices"
ACT_S: Final = 60.0
LONG_S: Final = 300.0
PAUSE_S: Final = 0.05


class Served:
    """``stacks`` says what is where (:func:`tests.lab.cluster.stacks_of`), ``more`` is the rest of its configuration.

    ``base`` is the root file system of another master, ``programs`` are those of Grape that it has.
    """

    def __init__(
        self,
        run: Run,
        network: Network,
        stacks: str,
        more: str = NETBOOT,
        *,
        base: Path | None = None,
        programs: tuple[str, ...] = ("graped", "grapecli"),
    ) -> None:
        self.key = Key(run)
        shown = ((Path(sysconfig.get_path("purelib")), LIBRARIES), (root("node"), NODE))
        self.machine = BareMachine(run, cluster=network, base=base or grown.master(), shown=shown)
        self.config = stacks + more + f'[ssh]\nauthorized_keys = ["{self.key.public}"]\n'
        self._programs = programs
        self._run = run
        self.switches: Switches

    def start(self, slots: Mapping[Slot, Powered]) -> None:
        """Install, boot, start graped, and wait until its servers are up."""
        self.begin(slots)
        self.wait_served()

    def begin(self, slots: Mapping[Slot, Powered]) -> None:
        """Install, boot, and start graped."""
        self._install(nodes_file(slots))
        self.machine.boot()
        self._bind_devices()
        self.machine.do("systemctl", "restart", "graped")
        self._follow(slots)

    def reboot(self, slots: Mapping[Slot, Powered]) -> None:
        """Boot it again. The simulated rack is one of its processes, so all slots lose their power."""
        self.switches.close()
        self.machine.reboot()
        self._follow(slots)

    def _follow(self, slots: Mapping[Slot, Powered]) -> None:
        self.switches = Switches(slots)
        self._run.at_end(self.switches.close)
        self.switches.follow(self.state / RACK_SOCKET)

    def wait_served(self) -> None:
        """Wait until its servers are up."""
        self.until(lambda: not self.checks("supervisor", "dnsmasq", "NFS"), ACT_S, "its servers are up")

    def wait_back(self) -> None:
        """Wait until graped answers and has read every stack."""
        self.until(self._is_back, ACT_S, "graped answers")

    def _is_back(self) -> bool:
        try:
            return all(stack["state"] != "starting" for stack in self.client().get("/v1/status")["stacks"])
        except Unreachable:
            return False

    def _bind_devices(self) -> None:
        """Have systemd enforce DeviceAllow=, which it cannot in a container, and give it the loop devices it allows."""
        self.machine.do("sh", "-c", LOOPS)
        if self.machine.path(GROUPS).is_dir():  # cgroups v1
            self.machine.do("mount", "-o", "remount,bind,rw", GROUPS)
            self.machine.do("systemctl", "daemon-reexec")

    @property
    def state(self) -> Path:
        """The state directory as seen from here."""
        return self.machine.path(STATE)

    def _install(self, nodes: str) -> None:
        tree = self.machine.root
        for name, text in {
            "etc/grape/config.toml": self.config,
            "etc/grape/nodes.toml": nodes,
            "etc/network/interfaces.d/cluster": INTERFACES,
            "etc/systemd/system/graped.service.d/lab.conf": SIMULATED,
            "etc/systemd/system/grape-rack.service": RACK,
            f"{VENV}/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\n",
            f"{VENV}/lib/python3.11/site-packages/lab.pth": f"{SOURCE}\n{LIBRARIES}\n",
        }.items():
            path = tree / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        programs = tree / VENV.lstrip("/") / "bin"
        programs.mkdir()
        (programs / "python").symlink_to("/usr/bin/python3")
        for name in self._programs:
            (programs / name).write_text(PROGRAM.format(venv=VENV, name=name))
            (programs / name).chmod(0o755)
        for unit in UNITS.glob("*.service"):
            shutil.copyfile(unit, tree / "etc/systemd/system" / unit.name)
        wanted = tree / "etc/systemd/system/multi-user.target.wants"
        (wanted / "graped.service").symlink_to("/etc/systemd/system/graped.service")  # what "enable" does
        _add(tree / "etc/group", "grape:x:990:")
        _add(tree / "etc/hosts", f"127.0.1.1 {self.machine.name}")  # Debian's installer does; Ganesha asks who it is

    # --- what is asked of it ------------------------------------------------------------------------------

    def cli(self, *words: str, code: int = 0) -> str:
        """Run grapecli on it as root."""
        return self.machine.do(f"{VENV}/bin/grapecli", *words, timeout_s=LONG_S, code=code)

    def json(self, *words: str) -> Any:
        """Run grapecli and give what it prints as JSON."""
        return json.loads(self.cli("--json", *words))

    def client(self) -> Client:
        """Talk to graped from here."""
        return Client(self.machine.path("/run/grape/graped.sock"), 30.0)

    def checks(self, *names: str) -> list[str]:
        """Tell what the doctor finds wrong among these; all that cannot be asked is wrong."""
        try:
            found = self.client().get("/v1/doctor")
        except Unreachable:
            return ["graped does not answer"]
        return [
            f"{one['name']}: {one['message']}" for one in found if one["name"] in names and one["state"] == "failed"
        ]

    def show(self, unit: str, name: str) -> str:
        """Tell a property of a unit."""
        return self.machine.do("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def pid(self, unit: str) -> int:
        """Tell the main process of a unit, 0 where there is none."""
        return int(self.show(unit, "MainPID"))

    def stage(self, node: str) -> str | None:
        """Tell the boot stage of a node."""
        stage: str | None = self.json("node", "show", node)["stage"]
        return stage

    def writes_to_ports(self) -> int:
        """Count what was written to power ports, as the rack's own trace has it."""
        lines = map(json.loads, (self.state / Path(TRACE).name).read_text().splitlines())
        return sum("port_after" in line and "receive" not in line["op"] for line in lines)

    def login(self, slot: Slot) -> Login:
        """Log in to a node by the host keys that graped has pinned."""
        return Login(self.machine.place, self.key, address(slot), self.state / "ssh/known_hosts")

    def until(self, true: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Wait for something, and tell how long it took. Raises AssertionError with what graped has said."""
        started = time.monotonic()
        while not true():
            if time.monotonic() - started > timeout_s:
                raise AssertionError(f"not within {timeout_s:g} s: {what}\n{self.machine.journal('graped')[-4000:]}")
            time.sleep(PAUSE_S)
        return time.monotonic() - started


def _add(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")
