"""A Docker swarm that grape_docker manages on this machine."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Final

from graped.errors import GrapeError
from master_setup.machine import Machine
from master_setup.record import FOLDER, Memory
from master_setup.wants.base import Difference, Kept, kind

ASK: Final = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{with .Swarm.Cluster}}{{.ID}}{{end}}"
LEAVE_S: Final = 120.0
MARK: Final = f"{FOLDER}/swarm"  # there from when what was before is in the record
STATUS: Final = "/var/lib/grape-docker/status.json"  # grape_docker.keeping


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Leave for grape_docker to manage a swarm here: it adopts one that is there, and makes one where there is none.

    ``address`` is what an earlier version made a swarm with.
    """

    address: str = ""

    @property
    def key(self) -> str:
        return "swarm"

    def differs(self, machine: Machine) -> Difference | None:
        state, manages, _ = _state(machine)
        if state == "active" and manages != "true":
            raise GrapeError(
                "this machine is a worker of another swarm",
                hint="Have it leave (docker swarm leave), or call apply without --swarm.",
            )
        if state == "locked":
            raise GrapeError("the swarm of this machine is locked", hint="docker swarm unlock")
        if machine.exists(MARK):
            return None
        return Difference(summary=f"{'adopt the' if state == 'active' else 'make a'} swarm, by grape_docker")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"cluster": _state(machine)[2]})
        machine.path(MARK).touch(mode=0o600)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Leave the swarm that came with us, and no other."""
        machine.path(MARK).unlink(missing_ok=True)
        state, _, cluster = _state(machine)
        if state == "":
            raise Kept("the swarm stays: Docker does not answer. Start it, and: docker swarm leave --force")
        if state == "inactive" or memory.was["cluster"]:
            return
        if cluster != memory.made.get("cluster", _managed(machine)):
            raise Kept("a swarm stays that grape_docker has not managed; to end it: docker swarm leave --force")
        machine.run("docker", "swarm", "leave", "--force", timeout_s=LEAVE_S)


def _managed(machine: Machine) -> str:
    """Return the id of the swarm that grape_docker has last seen; "" where it has seen none."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(machine.text(STATUS) or "{}").get("swarm_id") or "")
    return ""


def _state(machine: Machine) -> tuple[str, str, str]:
    """Return the state, whether this is a manager, and the swarm's id; "" three times where Docker does not answer."""
    words = machine.says("docker", "info", "--format", ASK).split()
    if len(words) < 2 or words[1] not in ("true", "false"):
        return "", "", ""
    return words[0], words[1], words[2] if len(words) > 2 else ""
