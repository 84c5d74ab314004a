"""A farm of real SSH servers: a whole rack of nodes that can be logged in to, without a machine each.

The first ones are in namespaces of their own, with a cable each; the others share one namespace, with an address each.
A shell there sees this machine's files, and none of its processes, nor its systemd: ``systemctl poweroff``, or even
``poweroff -f``, ends nothing but the server. ``echo $NODE`` tells which one it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from graped.network.ssh_keys import KeyRing
from tests.lab.cluster import PREFIX, address, local_stacks
from tests.lab.machines.process import Process
from tests.lab.master import Master
from tests.lab.network import INTERFACE, Network, Place
from tests.lab.rack import Rack, Slot
from tests.lab.run import Run

SLOTS: Final = 6  # of a stack
SSHD: Final = Path("/usr/sbin/sshd")  # it wants to be called by its whole path
# Processes and a /run of its own; /run/sshd is what sshd does not start without.
APART: Final = ("unshare", "--mount", "--propagation", "private", "--pid", "--mount-proc", "--fork", "--kill-child")
BEGIN: Final = f'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec {SSHD} -D -e -f "$0"'
HOST_KEY: Final = "host_key"
# A shell of level 2 reads no ~/.bashrc: what this machine has there may take longer than all the rest.
CONFIG: Final = """
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PrintMotd no
SetEnv NODE={name} SHLVL=1
"""
WALL: Final = "table inet wall {\n chain in {\n  type filter hook input priority 0; policy drop;\n }\n}\n"


class Server(Process):
    """An SSH server in a slot. Its switch starts it and kills it, with all that runs in it."""

    def __init__(self, run: Run, place: Place, name: str, address: str) -> None:
        super().__init__(run, name)
        self.folder = run.folder(f"farm/{name}")
        self.address = address
        self._place = place
        (self.folder / "sshd_config").write_text(CONFIG.format(address=address, folder=self.folder, name=name))
        (self.folder / "wall").write_text(WALL)
        self.new_host_key()

    @property
    def host_key(self) -> str:
        """Its public host key, "type base64"."""
        return " ".join((self.folder / f"{HOST_KEY}.pub").read_text().split()[:2])

    def new_host_key(self) -> None:
        """Give it another host key; it shows that from its next start on."""
        for suffix in ("", ".pub"):
            (self.folder / f"{HOST_KEY}{suffix}").unlink(missing_ok=True)
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", self.folder / HOST_KEY)
        subprocess.run(words, stdin=subprocess.DEVNULL, check=True)

    def let_in(self, keys: Iterable[str]) -> None:
        """Let these keys and no others in."""
        (self.folder / "authorized_keys").write_text("".join(f"{key}\n" for key in keys))

    def power_on(self) -> None:
        """Start it; it accepts connections a moment later."""
        if not self.running:
            words = (*APART, "--", "sh", "-c", BEGIN, self.folder / "sshd_config")
            self.launch(self._place.command(*words))

    def hang(self) -> None:
        """Stop it in mid-air: the kernel goes on taking connections, and nobody ever says a word."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End :meth:`hang`."""
        self._signal(signal.SIGCONT)

    def black_hole(self) -> None:
        """Have the network lose every packet to it, without a word to who sent it. Only one with its own namespace."""
        assert self._place.name == self.name, f"{self.name} shares its namespace"
        self._place.do("nft", "-f", self.folder / "wall")

    def open_up(self) -> None:
        """End :meth:`black_hole`."""
        self._place.do("nft", "flush", "ruleset")

    def _signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        for pid in _tree(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)


class Farm:
    """A master with graped, and SSH servers in the first ``count`` slots, trusted; all off at first."""

    def __init__(self, run: Run, *, count: int = 48, apart: int = 8, more: str = "") -> None:
        _need_tools()
        network = Network(run)
        slots = [divmod(number, SLOTS) for number in range(count)]
        self.servers = dict(zip(slots, _servers(run, network, slots, apart), strict=True))
        self.master = Master(network, f"{PREFIX}.1/24")
        self.rack = Rack(self.master, local_stacks(slots) + more, self.servers, netboot=False)
        keys = KeyRing(self.rack.daemon.state / "ssh")
        for server in self.servers.values():
            server.let_in((keys.cluster_public_key(),))
            keys.pin(server.name, (server.host_key,))

    def named(self, name: str) -> Server:
        """Give the server of a node."""
        return next(server for server in self.servers.values() if server.name == name)

    def start(self, wait_s: float = 60.0) -> None:
        """Start graped, switch everything on, and wait until each is up."""
        self.rack.start()
        # Not --wait=up: a graped that has just begun again knows of no stage until it has asked, and says so.
        done = self.rack.daemon.cli("power", "on", "@all", "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        deadline = time.monotonic() + wait_s
        while waiting := [node["name"] for node in self.nodes() if node["stage"] != "up"]:
            assert time.monotonic() < deadline, f"not up: {waiting}\n{self.rack.daemon.log()[-3000:]}"
            time.sleep(0.1)

    def nodes(self) -> list[dict[str, object]]:
        """Tell what graped says of the nodes."""
        found: list[dict[str, object]] = self.rack.daemon.client().get("/v1/nodes", nodes="@all")
        return found


def _servers(run: Run, network: Network, slots: Sequence[Slot], apart: int) -> list[Server]:
    shared = network.place("farm")
    made = []
    for number, slot in enumerate(slots):
        name, own = f"worker-{slot[0]}-{slot[1]}", address(slot)
        place = network.place(name, address=f"{own}/24") if number < apart else shared
        if place is shared:
            shared.do("ip", "address", "add", f"{own}/24", "dev", INTERFACE)
        made.append(Server(run, place, name, own))
    return made


def _need_tools() -> None:
    if not SSHD.exists() or shutil.which("ssh-keygen") is None:
        raise RuntimeError("the farm needs Debian's openssh-server")


def _tree(pid: int) -> list[int]:
    """Give a process and all its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found
