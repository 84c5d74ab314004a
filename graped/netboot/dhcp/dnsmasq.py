"""The cluster's dnsmasq: its files kept as the plan says, and told no more than it must be.

| what changed                  | what dnsmasq is told                                         |
|-------------------------------|--------------------------------------------------------------|
| a node came                   | nothing: it watches ``hosts/`` and ``names/``                |
| a node changed or went        | SIGHUP: it forgets a reservation at no other time            |
| the main file                 | a restart, which ends transfers: nothing of one node is in it |
| a node's TFTP folder          | nothing: files are opened when they are asked for            |
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.files import sync_folder, write_atomic
from graped.netboot.dhcp import alive, leases, render
from graped.netboot.dhcp.access import Account, account, closed_to, let_pass
from graped.netboot.dhcp.layout import Layout, plain
from graped.netboot.plan import NetPlan
from graped.netboot.servers import Servers, ServerSpec
from graped.netboot.tftp.folders import unreadable
from graped.runner import Runner

PROGRAM: Final = "/usr/sbin/dnsmasq"
UNIT: Final = "grape-dnsmasq.service"
TEST_S: Final = 10.0
# Between two SIGHUPs. While dnsmasq holds a 3B's answer back, it looks at its clock only when nothing interrupted it
# for 0.25 s (2.90, delay_dhcp): signals that come faster hold up everybody's DHCP for as long as they come.
RELOAD_S: Final = 0.5
LOG_LIMIT_BYTES: Final = 8_000_000  # about 150 boots; twice as much is kept


class Dnsmasq:
    """Blocking: call it in a worker thread, one at a time."""

    def __init__(
        self,
        servers: Servers,
        runner: Runner,
        *,
        who: Account | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._servers = servers
        self._runner = runner
        self._account = who
        self._monotonic = monotonic
        self._sleep = sleep
        self._next_reload = float("-inf")
        self._read: dict[str, str] | None = None  # the reservations that the server has in memory, if we know

    def spec(self, folder: Path) -> ServerSpec:
        """Return what is to be kept running; ``folder`` is ``NetPlan.folder``."""
        at = Layout(folder)
        return ServerSpec(
            name="dnsmasq",
            argv=(PROGRAM, "--keep-in-foreground", f"--conf-file={plain(at.config)}"),
            unit=UNIT,
            pid_file=at.own / "pid",
            output=at.own / "output",
            log=at.log,
            reload_signal=signal.SIGHUP,
        )

    def apply(self, plan: NetPlan, waiting: Collection[str] = ()) -> tuple[str, ...]:
        """Serve exactly this plan; return in words what changed. Also heals a server that is gone. Idempotent.

        Nodes that are ``waiting`` get no answer yet. Nothing is replaced by what dnsmasq itself calls wrong.
        Raises: ServerError.
        """
        at, spec = Layout(plan.folder), self.spec(plan.folder)
        who = self._account or account()
        main, hosts = render.main_config(plan, user=who.user, group=who.group), render.host_files(plan, waiting)
        _open_folders(at, who)
        if not _stands(at.config, main) or self._read != hosts:
            self._judge(at, render.candidate(main, hosts))
        changes = ["main configuration"] if write_atomic(at.config, main) else []
        changes += [f"reservation {change}" for change in sync(at.hosts, hosts)]
        changes += [f"name {change}" for change in sync(at.names, render.name_files(plan))]
        changes += self._tell(spec, at, main, hosts, plan.master.ip)
        changes += self._release(at, plan)
        return tuple(changes)

    def stop(self, folder: Path) -> None:
        """End the server. Raises: ServerError."""
        self._read = None
        self._servers.stop(self.spec(folder))

    def running(self, folder: Path) -> int | None:
        """Return its process id; None where it does not run."""
        return self._servers.running(self.spec(folder))

    def unreadable(self, folder: Path) -> tuple[str, ...]:
        """Return what nodes could not fetch because dnsmasq may not read it, each as ``path: what is closed``."""
        return unreadable(Layout(folder).tftp, self._account or account())

    def rotate(self, folder: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> bool:
        """Begin a new log where the old one is larger; the old one is kept as ``log.1``. Raises: ServerError."""
        at = Layout(folder)
        try:
            held = at.log.stat()
        except FileNotFoundError:
            return False
        pid = self._servers.running(self.spec(folder))
        if held.st_size <= limit_bytes or pid is None:
            return False
        fresh = at.log.with_name(".log")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        os.fchown(descriptor, held.st_uid, held.st_gid)  # dnsmasq is no longer root when it opens it
        os.close(descriptor)
        os.replace(at.log, at.log.with_name("log.1"))
        os.replace(fresh, at.log)
        os.kill(pid, signal.SIGUSR2)
        return True

    def _judge(self, at: Layout, text: str) -> None:
        """Have dnsmasq read a draft. Raises: ServerError with its words."""
        draft = at.own / ".candidate.conf"
        write_atomic(draft, text)
        try:
            self._runner.run((PROGRAM, "--test", f"--conf-file={draft}"), timeout_s=TEST_S)
        except CommandFailed as error:
            raise ServerError(
                f"dnsmasq refuses its new configuration, so the old one stays: {error.detail}",
                hint=error.hint or "Look at the nodes' addresses, names and netboot.* in the configuration.",
                server="dnsmasq",
            ) from error
        finally:
            draft.unlink(missing_ok=True)

    def _tell(self, spec: ServerSpec, at: Layout, main: str, hosts: dict[str, str], address: IPv4Address) -> list[str]:
        """Have the server know its files.

        What it read at its start is on disk (``loaded``), because whether it must be restarted has to be known after
        a crash of graped, too. A SIGHUP costs nothing, so one too many does not matter.
        """
        loaded, digest = at.own / "loaded", hashlib.sha256(main.encode()).hexdigest() + "\n"
        told = self._read
        self._read = None
        ran = self._servers.running(spec) is not None
        changes = []
        if self._servers.ensure(spec, restart=ran and not _stands(loaded, digest)):
            write_atomic(loaded, digest)
            changes.append("dnsmasq restarted" if ran else "dnsmasq started")
        elif told is None or not told.items() <= hosts.items():
            self._reload(spec)
        if ran and not alive.answers(address, render.MASTER_NAME):
            raise ServerError(
                f"dnsmasq runs, and does not answer on {address}", hint=f"See {at.log}.", server="dnsmasq"
            )  # fmt: skip
        self._read = hosts
        return changes

    def _reload(self, spec: ServerSpec) -> None:
        self._sleep(max(0.0, self._next_reload - self._monotonic()))
        self._servers.reload(spec)
        self._next_reload = self._monotonic() + RELOAD_S

    def _release(self, at: Layout, plan: NetPlan) -> list[str]:
        try:
            text = at.leases.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        stale = leases.blocking(leases.parse(text), plan)
        for lease in stale:
            _give_up(lease, plan.master.ip)
        return [f"lease of {lease.ip} to {lease.mac} given up" for lease in stale]


def _open_folders(at: Layout, who: Account) -> None:
    """Have the folders that dnsmasq reads later, whatever our umask. Raises: ServerError where it cannot get there."""
    for folder in (at.own, at.hosts, at.names, at.tftp):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    let_pass(at.folder / "images", who)
    for folder in (at.hosts, at.tftp):
        if closed := closed_to(folder, who):
            raise ServerError(
                f"dnsmasq could not read {folder}: {closed}",
                hint="Let others pass through that folder (chmod o+x), or choose another netboot.folder.",
                server="dnsmasq",
            )


def sync(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Have a folder hold exactly these files; return in words what changed. Watchers see whole files only."""
    changes = []
    for name in sorted(path.name for path in folder.iterdir() if path.name not in files):
        (folder / name).unlink()
        if not name.startswith("."):  # what a killed write left
            changes.append(f"{name} removed")
    if changes:
        sync_folder(folder)
    return changes + [f"{name} written" for name, text in files.items() if write_atomic(folder / name, text)]


def _stands(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except OSError:
        return False


def _give_up(lease: leases.Lease, server: IPv4Address) -> None:
    try:
        leases.release(lease, server)
    except OSError as error:
        raise ServerError(f"the lease of {lease.ip} to {lease.mac} cannot be given up: {error.strerror}") from error
