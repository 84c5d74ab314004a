"""Servers that systemd keeps running: graped only asks ``systemctl`` and never starts a process itself."""

from __future__ import annotations

from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.netboot.servers.spec import ServerSpec
from graped.runner import Runner

ASK_S: Final = 10.0
ACT_S: Final = 90.0  # systemd's own default for a start
ANY_CODE: Final = frozenset(range(5))  # is-active and status tell states by their code. Source: systemctl(1)
ON_ITS_WAY: Final = frozenset({"active", "reloading", "activating", "refreshing"})
WORDS: Final = 3


class SystemdServers:
    """See :class:`~graped.netboot.servers.spec.Servers`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def ensure(self, spec: ServerSpec, *, restart: bool = False) -> bool:
        """Start the unit unless it runs or systemd is about to start it again."""
        if restart:
            self._act("restart", spec)
        elif self._ask("is-active", spec.unit) in ON_ITS_WAY:
            return False
        else:
            self._act("start", spec)
        return True

    def reload(self, spec: ServerSpec) -> None:
        """Run the unit's ExecReload."""
        self._act("reload", spec)

    def stop(self, spec: ServerSpec) -> None:
        """Stop the unit."""
        self._act("stop", spec)

    def running(self, spec: ServerSpec) -> int | None:
        """Its main process."""
        said = self._ask("show", "--property=MainPID", "--value", spec.unit)
        return int(said) if said.isdigit() and said != "0" else None

    def _ask(self, *words: str) -> str:
        try:
            return self._runner.run(("systemctl", *words), timeout_s=ASK_S, expect=ANY_CODE).stdout.strip()
        except CommandFailed as error:
            raise ServerError(f"systemd cannot be asked: {error.detail}", hint=error.hint) from error

    def _act(self, verb: str, spec: ServerSpec) -> None:
        try:
            self._runner.run(("systemctl", verb, spec.unit), timeout_s=ACT_S)
        except CommandFailed as error:
            raise ServerError(
                f"cannot {verb} {spec.name}: {error.detail}{self._last_words(spec)}",
                hint=f"See: journalctl -u {spec.unit}",
                server=spec.name,
            ) from error

    def _last_words(self, spec: ServerSpec) -> str:
        """Take the journal lines off ``systemctl status``: they stand below an empty line."""
        try:
            said = self._ask("status", "--no-pager", "--full", f"--lines={WORDS}", spec.unit)
        except ServerError:
            return ""
        lines = [line.strip() for line in said.partition("\n\n")[2].splitlines() if line.strip()]
        return f": {' / '.join(lines[-WORDS:])}" if lines else ""
