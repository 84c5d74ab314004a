"""Groups, users, and who is in which group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from master_setup import accounts
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind

GONE: Final = frozenset({0, 6})  # userdel, groupdel: 6 is "there is no such account"
NO_MEMBER: Final = frozenset({0, 3})  # gpasswd -d: 3 is "is not a member"


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A system group."""

    name: str

    @property
    def key(self) -> str:
        return f"group {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        there = accounts.gid(machine, self.name) is not None
        return None if there else Difference(summary=f"create group {self.name}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"there": accounts.gid(machine, self.name) is not None})
        if accounts.gid(machine, self.name) is None:
            machine.run("groupadd", "--system", self.name)
        memory.finish({"gid": accounts.gid(machine, self.name)})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if not memory.was["there"] and accounts.gid(machine, self.name) is not None:
            machine.run("groupdel", self.name, expect=GONE)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A system user without password, whose first group is there already."""

    name: str
    group: str
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"
    comment: str = ""

    @property
    def key(self) -> str:
        return f"user {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        there = accounts.uid(machine, self.name) is not None
        return None if there else Difference(summary=f"create user {self.name}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"there": accounts.uid(machine, self.name) is not None})
        if accounts.uid(machine, self.name) is None:
            options = ("--system", "--no-create-home", "--home-dir", self.home, "--shell", self.shell)
            machine.run("useradd", *options, "--gid", self.group, "--comment", self.comment, self.name)
        memory.finish({"uid": accounts.uid(machine, self.name)})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if not memory.was["there"] and accounts.uid(machine, self.name) is not None:
            machine.run("userdel", self.name, expect=GONE)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user in a group."""

    user: str
    group: str

    @property
    def key(self) -> str:
        return f"member {self.user} of {self.group}"

    def differs(self, machine: Machine) -> Difference | None:
        there = self.user in accounts.members(machine, self.group)
        return None if there else Difference(summary=f"add user {self.user} to group {self.group}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"there": self.user in accounts.members(machine, self.group)})
        machine.run("gpasswd", "--add", self.user, self.group)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if not memory.was["there"] and self.user in accounts.members(machine, self.group):
            machine.run("gpasswd", "--delete", self.user, self.group, expect=NO_MEMBER)
