"""A machine with a systemd on which programs are run and files are seen, with a fresh network at each boot."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.lab.machines.nspawn import Nspawn
from tests.lab.network import Place

KEPT: Final = frozenset({"lo", "eth0", "eth1"})  # its cables; all else it has made
ENVIRONMENT: Final = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
BOOTED_S: Final = 120.0
DO_S: Final = 120.0
END_S: Final = 5.0  # from the polite end of a command that takes too long to its certain one
PAUSE_S: Final = 0.05


class Machine(Nspawn):
    """``keeps_address``: the place has its address from us, not by what the machine sets up at its boot."""

    def __init__(
        self,
        place: Place,
        root: Path,
        *,
        binds: tuple[tuple[Path, str], ...] = (),
        shown: tuple[tuple[Path, str], ...] = (),
        keeps_address: bool = False,
    ) -> None:
        super().__init__(place, root, binds=binds, shown=shown)
        self._keeps_address = keeps_address

    def boot(self) -> None:
        """Switch it on, and wait until it is up."""
        self.power_on()
        self.wait_booted()

    def power_on(self) -> None:
        """Boot it, with a network as a kernel that has just started has it."""
        self._forget_network()
        super().power_on()

    def wait_booted(self, timeout_s: float = BOOTED_S) -> None:
        """Wait until all that it starts has started. Raises AssertionError where a unit failed."""
        deadline = time.monotonic() + timeout_s
        state = ""
        while state not in {"running", "degraded"}:
            assert self.running, f"{self.name} has ended:\n{self.console.text()[-3000:]}"
            assert time.monotonic() < deadline, f"{self.name} is {state!r}:\n{self.console.text()[-3000:]}"
            time.sleep(PAUSE_S)
            state = self.attempt("systemctl", "is-system-running").stdout.strip()
        assert state == "running", self.do("systemctl", "--failed", "--no-pager")

    def attempt(self, *argv: str, user: str = "root", timeout_s: float = DO_S) -> subprocess.CompletedProcess[str]:
        """Run a program on it, whatever comes of that: ``returncode``, ``stdout``, ``stderr``."""
        bound = ("timeout", f"--kill-after={END_S:g}", f"{timeout_s:g}")
        words = self.command(*bound, *self.session(user), *argv)
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s + 2 * END_S
        )

    def do(self, *argv: str, user: str = "root", timeout_s: float = DO_S, code: int = 0) -> str:
        """Run a program on it that has to end with ``code``, and give what it wrote to its standard output."""
        done = self.attempt(*argv, user=user, timeout_s=timeout_s)
        said = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == code, f"{' '.join(argv)} ended with {done.returncode}, not {code}:\n{said}"
        return done.stdout

    def session(self, user: str = "root") -> tuple[str, ...]:
        """Give the words before a command that run it as this user, with nothing of this machine's environment."""
        home = "/root" if user == "root" else f"/home/{user}"
        clean = ("env", "--ignore-environment", *ENVIRONMENT, f"HOME={home}", f"USER={user}")
        return clean if user == "root" else (*clean, "runuser", "-u", user, "--")

    def path(self, there: str) -> Path:
        """Give a file of the machine as seen from here, behind its own mounts while it runs."""
        top = Path(f"/proc/{self.init}/root") if self.running else self.root
        return top / there.lstrip("/")

    def put(self, here: Path, there: str) -> None:
        """Copy a file to the machine."""
        self.path(there).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(here, self.path(there))

    def journal(self, unit: str) -> str:
        """Give what a unit has said since the machine was made, to this moment: also what journald has yet to write."""
        self.do("journalctl", "--sync")
        return self.do("journalctl", "--no-pager", "--output=short-precise", f"--unit={unit}")

    def _forget_network(self) -> None:
        """Take away what the machine set up in its last life: its namespace outlives it, a kernel would not."""
        do = self.place.do
        for line in do("ip", "--oneline", "link").stdout.splitlines():
            link = line.split(": ")[1].partition("@")[0]
            if link not in KEPT:
                do("ip", "link", "delete", link, check=False)
            elif not self._keeps_address:
                do("ip", "address", "flush", "dev", link)
                do("ip", "link", "set", link, "down")
        do("nft", "flush", "ruleset")
        do("sysctl", "--quiet", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.forwarding=0")

    def power_cut(self) -> None:
        """Kill its PID 1; what it wrote stays as it is."""
        with contextlib.suppress(ProcessLookupError):  # it had just ended by itself
            super().power_cut()
