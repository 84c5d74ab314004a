"""A Docker swarm whose manager this machine is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graped.errors import GrapeError
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, Kept, kind

ASK: Final = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{with .Swarm.Cluster}}{{.ID}}{{end}}"
INIT_S: Final = 120.0


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """A swarm; one that is there is adopted, and stays. ``address``: where its workers reach the manager."""

    address: str

    @property
    def key(self) -> str:
        return "swarm"

    def differs(self, machine: Machine) -> Difference | None:
        match _state(machine):
            case ("active", "true", _):
                return None
            case ("active", _, _):
                raise GrapeError(
                    "this machine is a worker of another swarm",
                    hint="Have it leave (docker swarm leave), or call apply without --swarm.",
                )
            case ("locked", _, _):
                raise GrapeError("the swarm of this machine is locked", hint="docker swarm unlock")
            case _:
                return Difference(summary=f"make a swarm, managed here at {self.address}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"cluster": _state(machine)[2]})
        if self.differs(machine) is not None:
            machine.run("docker", "swarm", "init", "--advertise-addr", self.address, timeout_s=INIT_S)
        memory.finish({"cluster": _state(machine)[2]})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Leave the swarm that we made, and no other."""
        state, _, cluster = _state(machine)
        if state == "":
            raise Kept("the swarm stays: Docker does not answer. Start it, and: docker swarm leave --force")
        if state == "active" and not memory.was["cluster"] and cluster == memory.made.get("cluster", cluster):
            machine.run("docker", "swarm", "leave", "--force", timeout_s=INIT_S)


def _state(machine: Machine) -> tuple[str, str, str]:
    """Return the state, whether this is a manager, and the swarm's id; "" three times where Docker does not answer."""
    words = machine.says("docker", "info", "--format", ASK).split()
    if len(words) < 2 or words[1] not in ("true", "false"):
        return "", "", ""
    return words[0], words[1], words[2] if len(words) > 2 else ""
