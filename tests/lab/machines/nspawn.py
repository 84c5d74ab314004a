"""A machine with a real systemd, in a container: up in two seconds, with cgroups and a network of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.lab.machines.cgroups import Groups
from tests.lab.machines.process import Process
from tests.lab.network import Place

INIT_S = 60.0
FIRST = frozenset({"systemd", "systemd-shutdow"})  # PID 1 as the kernel names it, to its very end
KEPT_HERE = ("CAP_SYS_TIME", "CAP_SYS_MODULE")
PAUSE_S = 0.02


class Nspawn(Process):
    """Boots ``root`` at a place. ``binds`` are folders of this machine (here, there), ``shown`` those it may only read.

    It has the kernel and the clock of this machine, and may not set either. A folder on a real file system has to be
    bound to ``/var/lib/docker`` where Docker is to run: overlay2 does not stack on an overlay.
    """

    def __init__(
        self,
        place: Place,
        root: Path,
        *,
        binds: tuple[tuple[Path, str], ...] = (),
        shown: tuple[tuple[Path, str], ...] = (),
    ) -> None:
        super().__init__(place.network.run, place.name)
        self.place = place
        self.root = root
        self._binds = tuple(f"--bind={here}:{there}" for here, there in binds)
        self._binds += tuple(f"--bind-ro={here}:{there}" for here, there in shown)
        self._groups = Groups(place.namespace)

    def power_on(self) -> None:
        """Boot it. Its /sys shows the network of who mounts it: nspawn does that before it enters the place itself."""
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        self._groups.make()
        self.launch(
            (
                *self._groups.command(), "unshare", "--mount", "--propagation", "private", "--",
                *self.place.command("systemd-nspawn"), "--quiet", f"--directory={self.root}", f"--machine={self.name}",
                f"--network-namespace-path={self.place.path}", "--register=no", "--keep-unit", "--boot",
                "--capability=all", f"--drop-capability={','.join(KEPT_HERE)}",
                "--system-call-filter=add_key keyctl bpf open_by_handle_at", *self._binds,
                "--console=pipe",
            ),
            SYSTEMD_NSPAWN_API_VFS_WRITABLE="1",
        )  # fmt: skip

    @property
    def init(self) -> int:
        """The process that is its PID 1."""
        assert self.process is not None
        deadline = time.monotonic() + INIT_S
        while time.monotonic() < deadline:
            if not self.running:
                raise ProcessLookupError(f"{self.name} has ended:\n{self.console.text()}")
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # nspawn has others before, for moments
                children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
                for child in map(int, children):
                    if Path(f"/proc/{child}/comm").read_text().strip() in FIRST:
                        return child
            time.sleep(PAUSE_S)
        raise AssertionError(f"{self.name} has no PID 1:\n{self.console.text()}")

    def command(self, *argv: str) -> tuple[str, ...]:
        """Give the command that runs ``argv`` inside, as its root: what the machine may not do, this may not either."""
        bounds = ",".join(f"-{name.removeprefix('CAP_').lower()}" for name in KEPT_HERE)
        return ("nsenter", f"--target={self.init}", "--all", "--", "setpriv", f"--bounding-set={bounds}", "--", *argv)

    def power_cut(self) -> None:
        """Kill its PID 1: everything inside is gone with it."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):  # it ends by itself just now
                os.kill(self.init, signal.SIGKILL)
            assert self.process is not None
            self.process.wait(INIT_S)
        super().power_cut()
        self._groups.remove()

    def shut_down(self, timeout_s: float = 90.0) -> None:
        """Switch it off properly, and wait for that."""
        assert self.process is not None
        self.process.terminate()
        self.wait_off(timeout_s)
