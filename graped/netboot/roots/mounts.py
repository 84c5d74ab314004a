"""Who mounts roots: graped itself, or systemd units for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from graped.errors import ServerError
from graped.netboot.roots import mounting
from graped.netboot.roots.records import Layout
from graped.netboot.systemd import Systemctl
from graped.runner import Runner

UNIT_TIMEOUT_S: Final = mounting.TIMEOUT_S + 10.0
AT_ONCE: Final = 8  # as many as the memory of a Pi 3 has room for


class Mounts(Protocol):
    """Mount roots in the namespace in which the NFS server looks."""

    def mount(self, node: str, generation: str) -> None:
        """Mount a root, if its strategy needs that and it is not. Raises GrapeError."""

    def mount_ahead(self, roots: Iterable[tuple[str, str]]) -> None:
        """Mount many at once where that is sooner; what fails is left to ``mount``, which tells why."""

    def unmount(self, node: str, generation: str) -> None:
        """Unmount a root, if it is mounted. Raises InUse: it is mounted as before."""

    def mounted(self) -> frozenset[tuple[str, str]]:
        """Tell which (node, generation) are mounted."""


class DirectMounts:
    """Mount in our own namespace: right where graped runs without systemd."""

    def __init__(self, folder: Path, runner: Runner) -> None:
        self._layout = Layout(folder)
        self._runner = runner

    def mount(self, node: str, generation: str) -> None:
        """See Mounts."""
        mounting.mount(self._layout, node, generation, self._runner)

    def mount_ahead(self, roots: Iterable[tuple[str, str]]) -> None:
        """See Mounts: one after the other is as soon."""

    def unmount(self, node: str, generation: str) -> None:
        """See Mounts."""
        mounting.unmount(self._layout, node, generation, self._runner)

    def mounted(self) -> frozenset[tuple[str, str]]:
        """See Mounts."""
        return mounting.mounted(self._layout)


class UnitMounts:
    """Have a unit mount in the host's namespace; the mount is seen from ours, because it propagates."""

    def __init__(self, folder: Path, systemctl: Systemctl) -> None:
        self._layout = Layout(folder)
        self._systemctl = systemctl

    def mount(self, node: str, generation: str) -> None:
        """See Mounts."""
        self._layout.generation(node, generation)  # both names are sound
        if (node, generation) not in self.mounted():
            # A unit is still active after its mount was undone by hand; a start of it would do nothing.
            self._systemctl.act("restart", unit(node, generation), _named(node, generation), UNIT_TIMEOUT_S)

    def mount_ahead(self, roots: Iterable[tuple[str, str]]) -> None:
        """See Mounts: each is a Python that starts."""
        missing = [unit(*root) for root in sorted(set(roots) - self.mounted())]
        if len(missing) > 1:
            for start in range(0, len(missing), AT_ONCE):
                self._systemctl.try_all("restart", missing[start : start + AT_ONCE], UNIT_TIMEOUT_S)

    def unmount(self, node: str, generation: str) -> None:
        """See Mounts."""
        if (node, generation) not in self.mounted():
            return
        mine, named = unit(node, generation), _named(node, generation)
        try:
            # A unit that an earlier failed stop left inactive takes the mount over again.
            self._systemctl.act("start", mine, named, UNIT_TIMEOUT_S)
            self._systemctl.act("stop", mine, named, UNIT_TIMEOUT_S)
        except ServerError as error:
            if (node, generation) in self.mounted():
                raise mounting.in_use(node, generation) from error
        if (node, generation) in self.mounted():  # the code of a stop tells of the job, not of the mount
            raise mounting.in_use(node, generation)

    def mounted(self) -> frozenset[tuple[str, str]]:
        """See Mounts."""
        return mounting.mounted(self._layout)


def unit(node: str, generation: str) -> str:
    """Name the unit of a root."""
    return f"grape-root@{node}--{generation}.service"


def _named(node: str, generation: str) -> str:
    return f"root {generation} of {node}"


def check_mounted(mounts: Mounts, node: str, generation: str) -> None:
    """Raise ServerError where a mount that was made is not seen: then the NFS server would export an empty folder."""
    if (node, generation) not in mounts.mounted():
        raise ServerError(
            f"root {generation} of {node} was mounted, but its mount is not seen by graped",
            hint="Mounts must propagate to graped's namespace: see MountFlags= of its unit.",
        )
