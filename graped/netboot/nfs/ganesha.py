"""NFS-Ganesha: a server in user space, for any kernel. Its export list is changed by SIGHUP, under running clients."""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import ServerError
from graped.files import write_atomic
from graped.netboot.nfs import ganesha_conf, portmap, rpc
from graped.netboot.nfs.checks import missing_folders, service_problems
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.ganesha_conf import MOUNT_PORT, NFS_PORT
from graped.netboot.nfs.ganesha_log import LogReader, faults, has_reread
from graped.netboot.nfs.rpc import Program
from graped.netboot.servers import Servers, ServerSpec

READY_S: Final = 20.0  # 0.2 s on a PC; a Pi 3 with a slow SD card takes seconds
REREAD_S: Final = 20.0
LOOK_S: Final = 0.05
ANSWER_S: Final = 5.0  # one that runs: a busy machine is no dead server, and it may just be starting


def spec(folder: Path) -> ServerSpec:
    """Describe the server whose files are in ``folder`` (netboot's ``nfs/``)."""
    log = folder / "ganesha.log"
    config, own_pid = str(folder / "ganesha.conf"), str(folder / "ganesha.pid")
    return ServerSpec(
        name="ganesha",
        argv=("ganesha.nfsd", "-F", "-L", str(log), "-p", own_pid, "-f", config),
        unit="grape-nfs.service",
        pid_file=folder / "ganesha.json",
        output=folder / "ganesha.out",
        log=log,
    )


class Ganesha:
    """See :class:`~graped.netboot.nfs.backend.NfsBackend`. ``folder`` is netboot's ``nfs/``."""

    def __init__(self, servers: Servers, folder: Path, address: IPv4Address) -> None:
        self._servers = servers
        self._folder = folder
        self._address = address
        self._spec = spec(folder)
        self._portmap = portmap.spec(folder, address)
        self._log = LogReader(folder / "ganesha.log")
        self._served: str | None = None  # the export file that the running server is known to have read

    def apply(self, exports: Sequence[Export]) -> list[str]:
        """Write both files; have the server start, read its exports again, or (for its core) restart."""
        wanted = ganesha_conf.exports_file(exports)
        before = self._written()
        core_changed = self._write(wanted)
        changes = ganesha_conf.changes(before, wanted)
        restart = core_changed and self._servers.running(self._spec) is not None
        served, self._served = self._served, None  # not known until all has gone well
        if self._start(restart=restart):
            changes.append("started NFS-Ganesha")
        elif wanted != served:  # also at graped's own start, and after anything was refused
            self._reread()
        self._served = wanted
        return changes

    def ensure(self) -> list[str]:
        """Start it anew where it died, and tell a port mapper that has forgotten it."""
        if not (self._folder / "ganesha.conf").exists():
            return []
        served, self._served = self._served, None
        started = self._start()
        self._served = served
        return ["started NFS-Ganesha again"] if started else []

    def check(self, exports: Sequence[Export]) -> list[str]:
        """Ask the server and the port mapper; look for folders that are not there."""
        problems = missing_folders(exports)
        if self._servers.running(self._spec) is None:
            problems.append("NFS-Ganesha does not run.")
        if self._written() != ganesha_conf.exports_file(exports):
            problems.append("The export list of NFS-Ganesha is not what it should be.")
        return problems + service_problems(self._address)

    def stop(self) -> None:
        """End the server, and rpcbind where it is ours."""
        self._servers.stop(self._spec)
        portmap.stop(self._servers, self._portmap)

    def _start(self, *, restart: bool = False) -> bool:
        """Have it running, answering and found; return whether it was started now."""
        portmap.ensure(self._servers, self._portmap)
        self._log.to_end()
        started = self._servers.ensure(self._spec, restart=restart)
        if started:
            self._wait_ready()
        else:
            self._must_answer()
        portmap.restore(portmap.entries(NFS_PORT, MOUNT_PORT))
        self._log.limit()
        return started

    def _must_answer(self) -> None:
        """See whether one that runs serves: its clients hang with it, and it is not they who are to blame."""
        end = time.monotonic() + ANSWER_S
        while not rpc.answers(self._address, NFS_PORT, Program.NFS, 3):
            if time.monotonic() > end:
                text = f"NFS-Ganesha runs, and does not answer on {self._address} port {NFS_PORT}"
                raise ServerError(text, hint=f"See {self._spec.log}.")
            time.sleep(LOOK_S)

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_S
        while not rpc.answers(self._address, NFS_PORT, Program.NFS, 3):
            if self._servers.running(self._spec) is None or time.monotonic() > end:
                said = " / ".join(faults(self._log.new()))
                raise ServerError(f"NFS-Ganesha was started but does not answer: {said}", hint=f"See {self._spec.log}.")
            time.sleep(LOOK_S)
        self._judge(self._log.new())

    def _reread(self) -> None:
        """Have it read its exports again, and wait until it has."""
        self._log.to_end()
        self._servers.reload(self._spec)
        end = time.monotonic() + REREAD_S
        lines: list[str] = []
        while not has_reread(lines):
            if time.monotonic() > end:
                raise ServerError("NFS-Ganesha does not read its exports again", hint=f"See {self._spec.log}.")
            time.sleep(LOOK_S)
            lines += self._log.new()
        time.sleep(LOOK_S)  # what it has to say of mistakes may come after
        self._judge(lines + self._log.new())

    def _judge(self, lines: list[str]) -> None:
        if wrong := faults(lines):
            raise ServerError(f"NFS-Ganesha refuses an export: {' / '.join(wrong)}", hint=f"See {self._spec.log}.")

    def _write(self, exports: str) -> bool:
        """Put both files in place; return whether the core one changed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        recovery = self._folder / "recovery"
        recovery.mkdir(exist_ok=True)
        write_atomic(self._folder / "exports.conf", exports)
        return write_atomic(self._folder / "ganesha.conf", ganesha_conf.core(self._address, recovery))

    def _written(self) -> str:
        try:
            return (self._folder / "exports.conf").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
