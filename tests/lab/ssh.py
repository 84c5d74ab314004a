"""Log in to machines of the lab with the system's own ssh."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.network import Place
from tests.lab.run import Run

ANSWER_S = 10
TRY_S = 30.0  # a machine that has just begun to listen may never answer the first who came
PAUSE_S = 0.2


class Key:
    """A key pair of this run."""

    def __init__(self, run: Run, name: str = "id") -> None:
        self.path = run.folder("keys") / name
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.path)
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        self.public = self.path.with_suffix(".pub").read_text().strip()

    def let_in(self, root: Path) -> None:
        """Let this key log in as root on a root file system."""
        folder = root / "root/.ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(f"{self.public}\n")


class Login:
    """Runs commands on a machine, from a place. Without ``known_hosts`` any host key will do."""

    def __init__(
        self,
        place: Place,
        key: Key | Path,
        address: str,
        known_hosts: Path | None = None,
        *,
        user: str = "root",
        answer_s: int = ANSWER_S,
    ) -> None:
        self._place = place
        self._try_s = max(TRY_S, 3.0 * answer_s)
        strict = "no" if known_hosts is None else "yes"
        options = [f"StrictHostKeyChecking={strict}", f"UserKnownHostsFile={known_hosts or '/dev/null'}"]
        options += ["LogLevel=ERROR", "BatchMode=yes", f"ConnectTimeout={answer_s}", "GlobalKnownHostsFile=/dev/null"]
        words = [word for option in options for word in ("-o", option)]
        file = str(key.path if isinstance(key, Key) else key)
        self._command = ("ssh", "-F", "none", "-i", file, *words, f"{user}@{address}")

    def command(self, command: str) -> tuple[str, ...]:
        """Give the words that run a shell command there, for a process at the place."""
        return (*self._command, command)

    def do(self, command: str, timeout_s: float = 60.0, *, check: bool = True) -> str:
        """Run a shell command there and give what it prints. Raises AssertionError where it fails."""
        done = self._place.do(*self._command, command, timeout_s=timeout_s, check=False)
        if check and done.returncode:
            raise AssertionError(f"{command!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, timeout_s: float) -> float:
        """Wait until it lets us in; tell how long that took."""
        started = time.monotonic()
        while True:
            trouble = self._try(min(timeout_s, self._try_s))
            took_s = time.monotonic() - started
            if trouble is None:
                return took_s
            if took_s > timeout_s:
                raise AssertionError(f"no login within {timeout_s:g} s: {trouble}")
            time.sleep(PAUSE_S)

    def _try(self, timeout_s: float) -> str | None:
        try:
            done = self._place.do(*self._command, "true", timeout_s=timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            return str(error)
        return done.stderr if done.returncode else None
