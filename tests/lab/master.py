"""A place where a whole master may run: its own network, its own mounts, its own /run."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.network import Network

HOLD = "mount -t tmpfs tmpfs /run && mkdir /run/rpcbind /run/lock && exec sleep infinity"
READY_S = 60.0
PAUSE_S = 0.01


class Master:
    """A place whose mounts nobody else sees: what graped mounts here is gone with it, even after SIGKILL.

    rpcbind has one lock and one socket in /run, so two masters on one machine need a /run each. One process keeps the
    mount namespace; all commands enter that one, since a copy of it would keep overlays busy.
    """

    def __init__(self, network: Network, address: str, name: str = "master") -> None:
        self.network = network
        self.place = network.place(name, address=address)
        self.address = address.partition("/")[0]
        hold = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", HOLD)
        self._holder = self.place.spawn(*hold, log=network.run.room / f"{name}.log")
        deadline = time.monotonic() + READY_S
        while self._comm() != "sleep":
            if time.monotonic() > deadline or self._holder.poll() is not None:
                raise RuntimeError("the master's mounts are not held")
            time.sleep(PAUSE_S)

    def command(self, *argv: str | Path) -> tuple[str, ...]:
        """Give the command that runs ``argv`` on the master."""
        pid = self._holder.pid
        return ("nsenter", f"--net={self.place.path}", f"--mount=/proc/{pid}/ns/mnt", "--", *map(str, argv))

    def do(self, *argv: str | Path, timeout_s: float = 30.0) -> str:
        """Run a program on the master, and give what it says. Raises CalledProcessError."""
        done = subprocess.run(
            self.command(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=timeout_s
        )
        return done.stdout

    def path(self, path: Path) -> Path:
        """Give a file of the master as seen from here, behind the master's own mounts."""
        return Path(f"/proc/{self._holder.pid}/root") / path.relative_to("/")

    def _comm(self) -> str:
        return Path(f"/proc/{self._holder.pid}/comm").read_text().strip()
