"""What can be wanted of a machine: seen, made, and undone from what was remembered.

A want is a frozen dataclass whose fields are JSON (str, int, bool, None, tuples of str): the record keeps them, so a
later version undoes what an earlier one made. ``content`` alone is never recorded. Decorate a new kind with ``@kind``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from graped.errors import GrapeError
from master_setup.machine import Machine
from master_setup.record import Memory

NOT_RECORDED: Final = frozenset({"content"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the machine differs from what is wanted: one line, and a unified diff where there is text to compare."""

    summary: str
    diff: str = ""


class Kept(GrapeError):
    """Something stays as it is, because undoing it would take what is not ours. Not a failure: it is told.

    ``backup`` is the name of a file in the backups that stays for it.
    """

    code = "kept"
    title = "Kept"

    def __init__(self, detail: str, *, backup: str = "") -> None:
        super().__init__(detail)
        self.backup = backup


class Want(Protocol):
    """One thing that is wanted."""

    @property
    def key(self) -> str:
        """Name it in one word or two, the same for as long as it is the same thing: "file /etc/x"."""

    def differs(self, machine: Machine) -> Difference | None:
        """Compare; None where all is as wanted. Changes nothing, and needs no record."""

    def make(self, machine: Machine, memory: Memory) -> None:
        """Make it so: ``memory.remember(what is there)``, change, ``memory.finish(what is there now)``.

        Called again when an earlier call did not come to its end, also where nothing differs any more.
        """

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Bring back ``memory.was``. Called again after a crash. Raises Kept where something has to stay."""


KINDS: Final[dict[str, Callable[..., Want]]] = {}
W = TypeVar("W", bound=type)


def kind(cls: W) -> W:
    """Register a class of wants under its name, for the record."""
    KINDS[cls.__name__.lower()] = cls
    return cls


def kind_of(want: Want) -> str:
    """Return the name under which a want is recorded."""
    return type(want).__name__.lower()


def fields_of(want: Want) -> dict[str, Any]:
    """Return what the record keeps of a want."""
    pairs = ((each.name, getattr(want, each.name)) for each in dataclasses.fields(want))  # type: ignore[arg-type]
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in pairs if name not in NOT_RECORDED
    }


def rebuilt(name: str, fields: Mapping[str, Any]) -> Want:
    """Make a recorded want again, to undo it."""
    if name not in KINDS:
        raise GrapeError(f"this version does not know how to undo a {name}", hint="Use the version that made it.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return KINDS[name](**values)
