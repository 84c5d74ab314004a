"""A fresh Debian 12 with a systemd of its own, on which Grape can be installed without a network.

Its root is an ext4 file system of its own: roots of nodes are overlays, and an overlay cannot lie on an overlay.
It finds the repository, the wheelhouse and the source tree below ``/srv``, may only read them, and has no other source.
``eth0`` is its uplink with the default route, as Debian's installer sets it up; ``eth1`` is the cluster's side,
nobody's yet.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.lab.archive import archive
from tests.lab.debian import REPOSITORY, bare
from tests.lab.disk import disk
from tests.lab.machines.nspawn import Nspawn
from tests.lab.network import INTERFACE, Network
from tests.lab.run import Run
from tests.lab.wheelhouse import SOURCE_TREE, wheelhouse

WHEELHOUSE: Final = "/srv/wheelhouse"
SOURCE: Final = "/srv/source"
CLUSTER: Final = "eth1"
UPLINK_ADDRESS: Final = "192.168.50.2/24"
UPLINK_GATEWAY: Final = "192.168.50.1"
UPLINK: Final = f"""
auto {INTERFACE}
iface {INTERFACE} inet static
    address {UPLINK_ADDRESS}
    gateway {UPLINK_GATEWAY}
"""
ENVIRONMENT: Final = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
OFF: Final = (
    "run-rpc_pipefs.mount",  # this machine's kernel may have no NFS at all
    "logrotate.timer", "dpkg-db-backup.timer",  # a test at midnight shows what it shows at noon
)  # fmt: skip
BOOTED_S: Final = 60.0
DO_S: Final = 60.0
END_S: Final = 5.0  # from the polite end of a command that takes too long to its certain one
PAUSE_S: Final = 0.05


class BareMachine(Nspawn):
    """A machine with nothing but the base system. It ends with the run.

    ``base`` is another root file system to copy: one with packages in it, which then installs nothing from us.
    """

    def __init__(
        self,
        run: Run,
        name: str = "master",
        *,
        cluster: Network | None = None,
        base: Path | None = None,
        shown: tuple[tuple[Path, str], ...] = (),
    ) -> None:
        self.uplink = Network(run, f"{name}-uplink")
        place = self.uplink.place(name)
        if cluster is not None:
            cluster.cable(place, CLUSTER)
        tree = disk(run, name, base or bare())
        with (tree / "etc/network/interfaces").open("a") as interfaces:
            interfaces.write(UPLINK)
        for unit in OFF:
            (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
        offered = () if base else ((archive(), REPOSITORY), (wheelhouse(), WHEELHOUSE))
        super().__init__(place, tree, shown=(*offered, (SOURCE_TREE, SOURCE), *shown))

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
        """Give what a unit has said since the machine was made."""
        return self.do("journalctl", "--no-pager", "--output=short-precise", f"--unit={unit}")

    def reboot(self) -> None:
        """Shut it down properly, and boot it again."""
        self.shut_down()
        self.boot()

    def _forget_network(self) -> None:
        """Take away what the machine set up in its last life: its namespace outlives it, a kernel would not."""
        do = self.place.do
        for line in do("ip", "--oneline", "link").stdout.splitlines():
            link = line.split(": ")[1].partition("@")[0]
            if link in {"lo", INTERFACE, CLUSTER}:
                do("ip", "address", "flush", "dev", link)
                do("ip", "link", "set", link, "down")
            else:
                do("ip", "link", "delete", link, check=False)
        do("nft", "flush", "ruleset")
        do("sysctl", "--quiet", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.forwarding=0")

    def power_cut(self) -> None:
        """Kill its PID 1; what it wrote stays as it is."""
        with contextlib.suppress(ProcessLookupError):  # it had just ended by itself
            super().power_cut()
