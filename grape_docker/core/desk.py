"""Where one node lies while it is decided what is done about it. Pure, but not frozen: it lives for one plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from grape_docker.core import quorum
from grape_docker.core.backoff import may_try
from grape_docker.core.entries import Entries
from grape_docker.model import (
    Action,
    Hold,
    Join,
    Memory,
    NodeFact,
    Remove,
    Retry,
    Role,
    Settings,
    SwarmNode,
    Trouble,
    Waiting,
)


@dataclass(slots=True, kw_only=True)
class Desk:
    """What is decided for one node, while it is."""

    node: NodeFact
    memory: Memory
    entries: Entries
    hold: Hold | None
    settings: Settings
    now: float
    actions: list[Action] = field(default_factory=list)
    wishes: list[quorum.Wish] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def wait(self, why: str, until: float | None = None) -> None:
        """Do nothing for it now."""
        self.waiting.append(Waiting(name=self.node.name, why=why, until=until))

    def complain(self, code: str, message: str, hint: str) -> None:
        """Tell what a person has to see to."""
        told = Trouble(name=self.node.name, code=code, message=message, hint=hint, since=self.now)
        self.troubles.append(told)

    def remove(self, entry: SwarmNode, why: str) -> None:
        """Take an entry away that is down; a manager is demoted first."""
        if entry.role is Role.MANAGER:
            self.role(entry, Role.WORKER, why)
        else:
            self.actions.append(Remove(name=self.node.name, node_id=entry.id, why=why))

    def join(self, why: str, *, fresh: bool = False) -> None:
        """Bring the node in."""
        self.actions.append(Join(name=self.node.name, why=why, fresh=fresh))

    def role(self, entry: SwarmNode, role: Role, why: str) -> None:
        """Wish a role; who gets one first is decided when all have wished."""
        self.wishes.append(quorum.Wish(name=self.node.name, entry=entry, role=role, why=why))

    def close(self) -> None:
        """Hold back what its back-off does not allow (a drain is never held back), and say what it suffers from."""
        if (self.actions or self.wishes) and self.hold is None and not may_try(self.memory.retry, self.now):
            self.actions, self.wishes = [], []
            self.wait("it failed, and is tried again later", self.memory.retry.next_at)
        if not self.actions and not self.wishes and not self.waiting:
            self.memory = replace(self.memory, retry=Retry())
        elif self.memory.retry.trouble is not None:
            self.troubles.append(self.memory.retry.trouble)
