"""Ask systemd to start, stop and reload units: the one way to ``systemctl``, with its refusals made plain."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.files import write_atomic
from graped.runner import Runner

ENVIRONMENT: Final = Path("/run/grape/netboot.env")  # an EnvironmentFile= of our units
FOLDER_VARIABLE: Final = "GRAPE_NETBOOT_FOLDER"
BOOTED: Final = Path("/run/systemd/system")  # there where systemd is the init. Source: sd_booted(3)
ASK_S: Final = 10.0
ACT_S: Final = 90.0  # systemd's own default for a start
ANY_CODE: Final = frozenset(range(256))  # is-active and status tell states by their code. Source: systemctl(1)
WORDS: Final = 3
WITHOUT: Final = 'set netboot.supervisor = "process"'


class Systemctl:
    """The units of one netboot folder, which they are told by ``environment``."""

    def __init__(self, runner: Runner, folder: Path, *, environment: Path = ENVIRONMENT, booted: Path = BOOTED) -> None:
        self._runner = runner
        self._line = f'{FOLDER_VARIABLE}="{folder}"\n'
        self._environment = environment
        self._booted = booted

    def act(self, verb: str, unit: str, what: str, timeout_s: float = ACT_S) -> None:
        """Have a job done, such as "restart", and wait for it; ``what`` is said in messages. Raises: ServerError."""
        try:
            self._tell()
            self._runner.run(("systemctl", verb, unit), timeout_s=timeout_s)
        except CommandFailed as error:
            self.check((unit,))
            raise ServerError(
                f"cannot {verb} {what}: {error.detail}{self._last_words(unit)}",
                hint=f"See: journalctl -u {unit}",
                server=what,
            ) from error

    def try_all(self, verb: str, units: Sequence[str], timeout_s: float = ACT_S) -> None:
        """Have the same done for several units at once, as far as that works."""
        self._tell()
        with contextlib.suppress(CommandFailed):
            self._runner.run(("systemctl", verb, *units), timeout_s=timeout_s)

    def is_ours(self) -> bool:
        """Whether systemd runs here, and our units are those of this folder."""
        try:
            told = self._environment.read_text(encoding="utf-8")
        except OSError:
            return False
        return self._booted.is_dir() and told == self._line

    def ask(self, *words: str) -> str:
        """Give what it answers, whatever its exit code. Raises: ServerError."""
        try:
            return self._runner.run(("systemctl", *words), timeout_s=ASK_S, expect=ANY_CODE).stdout.strip()
        except CommandFailed as error:
            raise ServerError(f"systemd cannot be asked: {error.detail}", hint=f"Or {WITHOUT}.") from error

    def check(self, units: Iterable[str]) -> None:
        """Raise ServerError where systemd does not run, or units are not installed."""
        if not self._booted.is_dir():
            raise ServerError(
                'systemd does not run here, and netboot.supervisor is "systemd"',
                hint=f"On a machine without systemd {WITHOUT}.",
            )
        wanted = sorted(units)
        states = self.ask("show", "--property=LoadState", "--value", *wanted).split()
        missing = [unit for unit, state in zip(wanted, states, strict=False) if state in ("not-found", "masked")]
        if missing:
            raise ServerError(
                f"systemd has no unit {', '.join(missing)}",
                hint=f"Run master_setup/install apply (or install the server's package), or {WITHOUT}.",
            )

    def _tell(self) -> None:
        """Write where the folder is, for the units."""
        self._environment.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._environment, self._line)

    def _last_words(self, unit: str) -> str:
        """Take the journal lines off ``systemctl status``: they stand below an empty line."""
        try:
            said = self.ask("status", "--no-pager", "--full", f"--lines={WORDS}", unit)
        except ServerError:
            return ""
        lines = [line.strip() for line in said.partition("\n\n")[2].splitlines() if line.strip()]
        return f": {' / '.join(lines[-WORDS:])}" if lines else ""
