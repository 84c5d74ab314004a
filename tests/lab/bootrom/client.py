"""One board at a place, from power-on to the moment in which its kernel would run."""

from __future__ import annotations

from tests.lab.bootrom.boards import LINUX, Board
from tests.lab.bootrom.dhcp import Dhcp, State
from tests.lab.bootrom.faults import NONE, Faults
from tests.lab.bootrom.files import Ask, Ready, files_of
from tests.lab.bootrom.phases import Asking, Fetching, Phase
from tests.lab.bootrom.result import Booted, File, Intake
from tests.lab.bootrom.tftp import Download, End
from tests.lab.network import Place


class BootRom:
    """A board that is booted once. It is driven by a loop: see :mod:`tests.lab.bootrom.loop`.

    ``then_system``: its kernel asks for an address too (``ip=dhcp``), as the next sign of life that a server sees.
    The place has no address before; it keeps the last one.
    """

    def __init__(self, place: Place, board: Board, *, faults: Faults = NONE, then_system: bool = False) -> None:
        self.place = place
        self.board = board
        self.result = Booted()
        self.phase: Phase | None = None  # None: not begun, or ended
        self._faults = faults
        self._then_system = then_system
        self._born = 0.0
        self._files = files_of(board)
        self._ask = Ask(path="")
        self._intake = Intake()
        self._begun = 0.0

    def power_on(self, now: float) -> None:
        """Begin."""
        self._born = now
        self._tell("powered", now)
        self._ask_address(Dhcp(way=self.board.way, hardware=self.board.hardware, guid=self.board.guid), now)

    def end(self, outcome: str) -> None:
        """End at once; a power cut is an end too."""
        if self.phase is not None:
            self.phase.socket.close()
            self.phase = None
        self._files.close()
        self.result.outcome = self.result.outcome or outcome

    def advance(self, now: float) -> None:
        """Go on after what the phase was told."""
        if isinstance(self.phase, Asking):
            self._count(self.phase.dhcp, now)
        if self.phase is None or not self.phase.ended:
            return
        self.phase.socket.close()
        if isinstance(self.phase, Asking):
            self._asked(self.phase.dhcp, now)
        elif isinstance(self.phase, Fetching):
            self._fetched(self.phase.download, now)

    def _ask_address(self, dhcp: Dhcp, now: float) -> None:
        self.phase = Asking(self.place, dhcp, now, self._faults)
        self._count(dhcp, now)

    def _count(self, dhcp: Dhcp, now: float) -> None:
        if dhcp.way is not LINUX and dhcp.discovers > self.result.discovers:
            self.result.discovers, self.result.refused = dhcp.discovers, dhcp.refused
            self._tell(f"discover {dhcp.discovers}", now)

    def _asked(self, dhcp: Dhcp, now: float) -> None:
        if dhcp.state is State.GAVE_UP or dhcp.lease is None:
            self.phase = None
            self.end(f"gave up after {dhcp.discovers} DISCOVERs")
            return
        self.place.set_address(str(dhcp.lease.address))
        if dhcp.way is LINUX:
            self.phase, self.result.system_lease = None, dhcp.lease
            self._tell("system address", now)
            self.end("kernel")
        else:
            self.result.lease = dhcp.lease
            self._tell("address", now)
            self._next(None, now)

    def _next(self, came: File | None, now: float) -> None:
        """Ask for the next file."""
        try:
            self._ask = self._files.send(came)
        except StopIteration as stop:
            self._all_fetched(stop.value, now)
            return
        self.result.asked.append(self._ask.path)
        way, lease = self.board.way, self.result.lease
        assert lease is not None
        self._intake, self._begun = Intake(), now
        download = Download(
            self._ask.path, self._intake.take, wanted=way.block_bytes, probe=self._ask.probe,
            silent_s=way.silent_s, faults=self._faults,
        )  # fmt: skip
        self.phase = Fetching(self.place, download, str(lease.server), now, self._faults)

    def _fetched(self, download: Download, now: float) -> None:
        file = None
        match download.end:
            case End.SILENT | End.WRONG:
                self.phase = None
                self.end(f"{download.path}: {download.end}")
                return
            case End.MISSING:
                self.result.missing.append(download.path)
            case End.STOPPED:
                file = self._intake.file(download.path, download.size, now - self._begun)
                self.result.probed.append(download.path)
            case End.COMPLETE:
                file = self._intake.file(download.path, download.size, now - self._begun)
                self.result.files[download.path] = file
                self._tell(download.path, now)
        self._next(file, now)

    def _all_fetched(self, ready: Ready, now: float) -> None:
        self.phase = None
        self.result.kernel, self.result.cmdline = ready.kernel, ready.cmdline
        if ready.failed:
            self.end(ready.failed)
            return
        self._tell("kernel", now)
        if self._then_system:
            self.place.set_address(None)
            self._ask_address(Dhcp(way=LINUX, hardware=self.board.hardware), now)
        else:
            self.end("kernel")

    def _tell(self, what: str, now: float) -> None:
        self.result.timeline.append((now - self._born, what))
