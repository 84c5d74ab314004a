"""A whole cluster: a master on which graped runs with its servers, images in it, and things in its slots."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.machines.pi import Pi
from tests.lab.machines.process import Process
from tests.lab.master import Master
from tests.lab.network import Network
from tests.lab.rack import Powered, Rack, Slot
from tests.lab.run import Run
from tests.lab.ssh import Key, Login
from tests.live.daemon import BIN

PREFIX = "10.77.0"
FIRST_HOST = 10
NETBOOT = f"""
[netboot]
active = true
interface = "eth0"
address = "{PREFIX}.1/24"
first_host = {FIRST_HOST}
supervisor = "process"
nfs = "ganesha"
"""
LONG_S = 600.0
TAIL_CHARS = 6000


class Cluster:
    """``devices`` has the MAC address of each slot; ``more`` is appended to the configuration.

    ``carded`` are the slots whose machines boot from a card of their own.
    """

    def __init__(
        self,
        run: Run,
        network: Network,
        devices: Mapping[Slot, str],
        more: str = "",
        *,
        carded: Collection[Slot] = (),
    ) -> None:
        self.run = run
        self.network = network
        self.master = Master(network, f"{PREFIX}.1/24")
        self.key = Key(run)
        self._config = stacks_of(devices, carded) + NETBOOT + f'[ssh]\nauthorized_keys = ["{self.key.public}"]\n' + more
        self.rack: Rack
        self.things: Mapping[Slot, Powered] = {}

    def start(self, slots: Mapping[Slot, Powered]) -> None:
        """Start graped, and wait until its servers are up."""
        self.things = slots
        self.rack = Rack(self.master, self._config, slots)
        self.rack.start()
        self.until(lambda: not self.checks("dnsmasq", "NFS"), 60.0, "its servers are up")

    def cli(self, *words: str | Path, timeout_s: float = LONG_S, code: int = 0) -> str:
        """Run grapecli on the master and give what it prints; it has to end with this code."""
        command = self.master.command(BIN / "grapecli", "--socket", self.rack.daemon.socket, *words)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        said = f"grapecli {' '.join(map(str, words))}: code {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, f"{said}\n{self.rack.daemon.log()[-3000:]}"
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        """Run grapecli and give what it prints as JSON."""
        return json.loads(self.cli("--json", *words))

    def image(self, source: Path, name: str, *, prepared: bool = True) -> str:
        """Import a tree, have it prepared, and give the version's name."""
        ref = str(self.json("image", "import", source, "--name", name)["result"])
        return str(self.json("image", "prepare", ref)["result"]) if prepared else ref

    def node(self, name: str) -> Any:
        """Tell all about a node."""
        return self.json("node", "show", name)

    def stages(self) -> dict[str, str]:
        """Tell the boot stage of each node that has one."""
        return {node["name"]: node["stage"] for node in self.rack.daemon.client().get("/v1/nodes", nodes="@all")}

    def events(self, kind: str = "", node: str = "") -> list[Any]:
        """Give what the event log has, the oldest first; ``kind`` is a kind or a family: ``recovery``."""
        words = ("--kind", kind) if kind else ()
        found = self.json("events", "--limit", "5000", *words)
        return [one for one in found if not node or one["node"] == node]

    def checks(self, *names: str) -> list[str]:
        """Tell what the doctor finds wrong among these."""
        found = self.rack.daemon.client().get("/v1/doctor")
        return [
            f"{one['name']}: {one['message']}" for one in found if one["name"] in names and one["state"] == "failed"
        ]

    def login(self, slot: Slot) -> Login:
        """Log in to a node by the host keys that graped has pinned."""
        known_hosts = self.rack.daemon.state / "ssh/known_hosts"
        return Login(self.master.place, self.key, address(slot), known_hosts)

    @contextmanager
    def configured(self, toml: str) -> Iterator[None]:
        """Have graped merge this for as long as a test runs."""
        path = self.rack.room / "config.d/90-test.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(toml)
        try:
            self.cli("config", "reload")
            yield
        finally:
            path.unlink()
            self.cli("config", "reload")

    def journals(self) -> dict[str, str]:
        """Give what everybody has said of late, for a test that failed."""
        found = {"graped": self.rack.daemon.log()} if hasattr(self, "rack") else {}
        for slot, thing in self.things.items():
            machine = thing.kernel if isinstance(thing, Pi) else thing
            if isinstance(machine, Process):
                found[str(slot)] = machine.console.text()
        return {name: said[-TAIL_CHARS:] for name, said in found.items()}

    def until(self, true: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait for something. Raises AssertionError with what graped has said."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}\n{self.rack.daemon.log()[-3000:]}"
            time.sleep(0.1)


def address(slot: Slot) -> str:
    """The address that graped gives to a slot."""
    return f"{PREFIX}.{FIRST_HOST + 6 * slot[0] + slot[1]}"


def stacks_of(devices: Mapping[Slot, str], carded: Collection[Slot] = ()) -> str:
    """Write the stacks and devices of a configuration."""
    lines = []
    for key in sorted({key for key, _ in devices}):
        lines.append(f"[cluster.stacks.{key}.devices]")
        for (stack, slot), mac in sorted(devices.items()):
            if stack == key:
                more = ', boot = "local"' if (stack, slot) in carded else ""
                lines.append(f'{slot} = {{ mac = "{mac}"{more} }}')
    return "\n".join(lines) + "\n"


def local_stacks(slots: Collection[Slot]) -> str:
    """Write a configuration without netbooting: nodes that boot by themselves, at the addresses that they have here."""
    lines = ["[netboot]", "active = false"]
    for key in sorted({stack for stack, _ in slots}):
        lines.append(f"[cluster.stacks.{key}.devices]")
        for stack, slot in sorted(slots):
            if stack == key:
                mac, own = f"02:00:00:00:{stack:02x}:{slot:02x}", address((stack, slot))
                lines.append(f'{slot} = {{ mac = "{mac}", boot = "local", address = "{own}" }}')
    return "\n".join(lines) + "\n"
