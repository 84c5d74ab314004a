"""Servers that systemd keeps running: graped only asks ``systemctl`` and never starts a process itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graped.netboot.servers.spec import ServerSpec
from graped.netboot.systemd import Systemctl

ON_ITS_WAY: Final = frozenset({"active", "reloading", "activating", "refreshing"})
AT_REST: Final = frozenset({"inactive", "failed", "unknown"})


class SystemdServers:
    """See :class:`~graped.netboot.servers.spec.Servers`."""

    def __init__(self, systemctl: Systemctl) -> None:
        self._systemctl = systemctl

    def ensure(self, spec: ServerSpec, *, restart: bool = False) -> bool:
        """Start the unit unless it runs or systemd is about to start it again."""
        if restart:
            self._systemctl.act("restart", spec.unit, spec.name)
        elif self._systemctl.ask("is-active", spec.unit) in ON_ITS_WAY:
            return False
        else:
            self._systemctl.act("start", spec.unit, spec.name)
        return True

    def reload(self, spec: ServerSpec) -> None:
        """Run the unit's ExecReload."""
        self._systemctl.act("reload", spec.unit, spec.name)

    def stop(self, spec: ServerSpec) -> None:
        """Stop the unit, where it runs."""
        if self._systemctl.ask("is-active", spec.unit) not in AT_REST:
            self._systemctl.act("stop", spec.unit, spec.name)

    def running(self, spec: ServerSpec) -> int | None:
        """Its main process."""
        said = self._systemctl.ask("show", "--property=MainPID", "--value", spec.unit)
        return int(said) if said.isdigit() and said != "0" else None

    def check(self, units: Iterable[str]) -> None:
        """See whether systemd runs and has these units."""
        self._systemctl.check(units)
