"""The kernel's NFS server. A change is made entry by entry, so that no other node's export is touched.

Needs nothing but the standard library and graped itself: a guest can run it with its own Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.files import write_atomic
from graped.netboot.nfs import exports_table, portmap
from graped.netboot.nfs.checks import missing_folders, service_problems
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.exports_table import Entry, Table, entry, target
from graped.netboot.servers import Servers, ServerSpec
from graped.runner import Runner

EXPORTS_FILE: Final = Path("/etc/exports.d/grape.exports")
NFSD: Final = Path("/proc/fs/nfsd")
NFS_PORT: Final = 2049
MOUNT_PORT: Final = 20048
THREADS: Final = 8
LEASE_S: Final = 15  # a restarted server keeps NFSv4 clients waiting for so long; the kernel's default is 90
COMMAND_S: Final = 20.0
ANY_CODE: Final = frozenset({0, 1})  # of exportfs: what counts is the table afterwards


def mountd_spec(folder: Path) -> ServerSpec:
    """Describe the helper that answers mounts. ``folder`` is netboot's ``nfs/``."""
    return ServerSpec(
        name="rpc.mountd",
        argv=("rpc.mountd", "--foreground", "--port", str(MOUNT_PORT)),
        unit="nfs-mountd.service",
        pid_file=folder / "mountd.json",
        output=folder / "mountd.out",
    )


def nfsd_spec(folder: Path) -> ServerSpec:
    """Describe the unit that makes the kernel serve; it has no process."""
    return ServerSpec(
        name="the kernel's NFS server",
        argv=(),
        unit="nfs-server.service",
        pid_file=folder / "nfsd.json",
        output=folder / "nfsd.out",
    )


class KernelNfs:
    """See :class:`~graped.netboot.nfs.backend.NfsBackend`.

    ``netboot`` is the folder of netbooting: whatever is exported from below it is ours, everything else is not touched.
    ``units``: systemd keeps the server (``nfs-server.service``); else graped starts its threads and ``rpc.mountd``.
    """

    def __init__(
        self,
        servers: Servers,
        runner: Runner,
        netboot: Path,
        address: IPv4Address,
        *,
        units: bool,
        exports_file: Path = EXPORTS_FILE,
        nfsd: Path = NFSD,
    ) -> None:
        self._servers = servers
        self._runner = runner
        self._netboot = netboot
        self._folder = netboot / "nfs"
        self._address = address
        self._units = units
        self._file = exports_file
        self._nfsd = nfsd

    def apply(self, exports: Sequence[Export]) -> list[str]:
        """Write the file for the next boot, then take back and add what differs in the running table."""
        wanted = {entry(export): frozenset(exports_table.options(export)) for export in exports}
        table = self._table()
        gone = sorted(set(self._ours(table)) - set(wanted))
        new = [export for export in exports if not wanted[entry(export)] <= table.get(entry(export), frozenset())]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, exports_table.exports_file(exports))
        for lost in gone:
            self._exportfs("-u", target(lost))
        for export in new:
            if entry(export) in table:  # with other options: they would be added to, not replaced
                self._exportfs("-u", target(entry(export)))
            self._exportfs("-o", ",".join(exports_table.options(export)), target(entry(export)))
        if gone or new:
            self._verify(exports)
        started = self.ensure()
        return (
            [f"no longer exports {path} to {client}" for path, client in gone] + [f"exports {e}" for e in new] + started
        )

    def ensure(self) -> list[str]:
        """Have the port mapper, the kernel's threads and mountd run."""
        return self._ensure_units() if self._units else self._ensure_processes()

    def check(self, exports: Sequence[Export]) -> list[str]:
        """Ask the export table, the port mapper and both programs."""
        try:
            problems = self._differences(exports)
        except ServerError as error:
            problems = [f"{error.detail}."]
        return problems + service_problems(self._address)

    def stop(self) -> None:
        """Export nothing of ours any more; end what graped has started."""
        for lost in self._ours(self._table()):
            self._exportfs("-u", target(lost))
        self._file.unlink(missing_ok=True)
        if self._units:
            if not self._table():  # it serves nobody else
                self._servers.stop(nfsd_spec(self._folder))
        else:
            self._run("rpc.nfsd", "0")
            self._servers.stop(mountd_spec(self._folder))
            portmap.stop(self._servers, portmap.spec(self._folder, self._address))

    def _ensure_units(self) -> list[str]:
        specs = (nfsd_spec(self._folder), mountd_spec(self._folder))
        return [f"started {spec.name}" for spec in specs if self._servers.ensure(spec)]

    def _ensure_processes(self) -> list[str]:
        done = ["started rpcbind"] if portmap.ensure(self._servers, portmap.spec(self._folder, self._address)) else []
        if not (self._nfsd / "threads").exists():
            self._run("mount", "-t", "nfsd", "nfsd", str(self._nfsd))
        mountd = mountd_spec(self._folder)
        if self._servers.ensure(mountd):  # before the threads: they ask it who may mount
            done.append("started rpc.mountd")
        if self._threads() == 0:
            lease = str(LEASE_S)
            self._run("rpc.nfsd", "-U", "-H", str(self._address), "-G", lease, "-L", lease, str(THREADS))
            done.append("started the kernel's NFS server")
        portmap.restore(portmap.entries(NFS_PORT, MOUNT_PORT))
        return done

    def _threads(self) -> int:
        try:
            return int((self._nfsd / "threads").read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise ServerError(
                f"this kernel has no NFS server: {self._nfsd}/threads cannot be read",
                hint='Load the module nfsd, or set netboot.nfs = "ganesha".',
            ) from error

    def _verify(self, exports: Sequence[Export]) -> None:
        if problems := self._differences(exports):
            raise ServerError(f"the kernel's export table is not as it should be: {' '.join(problems)}")

    def _differences(self, exports: Sequence[Export]) -> list[str]:
        """Compare the running table with what is wanted; folders that are not there are in it, but serve nobody."""
        table = self._table()
        wanted = {entry(export): frozenset(exports_table.options(export)) for export in exports}
        problems = missing_folders(exports)
        problems += [
            f"{path} is exported to {client}, unasked." for path, client in set(self._ours(table)) - set(wanted)
        ]
        for (path, client), options in wanted.items():
            if missing := options - table.get((path, client), frozenset()):
                problems.append(f"{path} is not exported to {client} with {','.join(sorted(missing))}.")
        return sorted(problems)

    def _ours(self, table: Table) -> list[Entry]:
        return [wanted for wanted in table if wanted[0].is_relative_to(self._netboot)]

    def _table(self) -> Table:
        return exports_table.parse_table(self._exportfs("-s"))

    def _exportfs(self, *words: str) -> str:
        return self._run("exportfs", *words, expect=ANY_CODE)

    def _run(self, *argv: str, expect: frozenset[int] = frozenset({0})) -> str:
        try:
            return self._runner.run(argv, timeout_s=COMMAND_S, expect=expect).stdout
        except CommandFailed as error:
            raise ServerError(f"the kernel's NFS server cannot be set up: {error.detail}", hint=error.hint) from error
