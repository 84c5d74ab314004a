"""Docker on this machine asks a registry first, for plain names such as ``redis:7``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from graped.errors import GrapeError
from master_setup import places
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind
from master_setup.wants.files import unified

PATH: Final = "/etc/docker/daemon.json"
KEY: Final = "registry-mirrors"
MODE: Final = 0o644
SIGNAL_S: Final = 60.0


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A line of daemon.json; all else in it stays. Docker takes it by a reload: no container is stopped for that."""

    url: str

    @property
    def key(self) -> str:
        return f"mirror {self.url}"

    def differs(self, machine: Machine) -> Difference | None:
        settings = _settings(machine)
        if self.url in _mirrors(settings):
            return None
        old = machine.read(PATH) or b""
        return Difference(
            summary=f"have Docker ask {self.url} first ({PATH})", diff=unified(PATH, old, self._with(settings))
        )

    def make(self, machine: Machine, memory: Memory) -> None:
        places.remember(machine, memory, PATH)
        settings = _settings(machine)
        if self.url not in _mirrors(settings):
            places.make_parents(machine.path(PATH), machine.root)
            _put(machine, self._with(settings))
        memory.finish(places.found(machine.path(PATH)))

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Bring the file back where nobody changed it since; else take our line out of what they wrote."""
        if places.same(places.found(machine.path(PATH)), memory.made):
            places.bring_back(machine, memory, PATH)
            _reload(machine)
            return
        settings = _settings(machine)
        left = [each for each in _mirrors(settings) if each != self.url]
        if left != _mirrors(settings):
            rest = {name: value for name, value in settings.items() if name != KEY}
            _put(machine, _rendered({**rest, KEY: left} if left else rest))

    def _with(self, settings: dict[str, Any]) -> bytes:
        return _rendered({**settings, KEY: [self.url, *_mirrors(settings)]})


def _settings(machine: Machine) -> dict[str, Any]:
    """Read the file. Raises GrapeError where Docker could not read it either."""
    text = machine.text(PATH)
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise GrapeError(f"{PATH} is not JSON: {error}", hint="Correct it by hand; Docker cannot read it.") from error
    if not isinstance(found, dict) or not isinstance(found.get(KEY, []), list):
        raise GrapeError(f"{PATH} is not what Docker reads", hint="Correct it by hand.")
    return found


def _mirrors(settings: dict[str, Any]) -> list[Any]:
    return list(settings.get(KEY, []))


def _rendered(settings: dict[str, Any]) -> bytes:
    return (json.dumps(settings, indent=2) + "\n").encode()


def _put(machine: Machine, data: bytes) -> None:
    about = places.found(machine.path(PATH))
    there = about["kind"] == "file"
    owner = places.owner_of(machine, about) if there else None
    places.put(machine.path(PATH), data, mode=about["mode"] if there else MODE, owner=owner)
    _reload(machine)


def _reload(machine: Machine) -> None:
    if machine.booted and machine.says("systemctl", "is-active", "docker.service") == "active":
        machine.run("systemctl", "reload", "docker.service", timeout_s=SIGNAL_S)
