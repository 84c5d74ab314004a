"""Nodes whose key is right and whose system may hang all the same: a command tells.

A node is asked for its key, which costs it little. One that is in doubt, because work on it did not end, is asked for a
command instead. Where none ends it has not answered, whatever its key says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, CommandTimeout, SshDenied, SshError, SshFailed, SshTimeout
from graped.model import SlotId, Stage
from graped.network.ssh_client import Endpoint, connect

LOGIN_S: Final = 3.0
COMMAND_S: Final = 3.0
_SYSTEM_RUNS: Final = frozenset({Stage.UP, Stage.LOST})


class Doubts:
    """Who is in doubt: until a command ends, or it boots anew. Everything belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._slots: set[SlotId] = set()

    def raise_for(self, slot: SlotId) -> None:
        """Doubt a node from now on."""
        self._slots.add(slot)

    def settle(self, slot: SlotId) -> None:
        """Doubt it no longer."""
        self._slots.discard(slot)

    def concern(self, slot: SlotId, stage: Stage | None) -> bool:
        """Whether a node is to be asked for a command; one that is off or boots is no longer in doubt."""
        if stage not in _SYSTEM_RUNS:
            self.settle(slot)
        return slot in self._slots


def stuck(at: Endpoint, key: Path) -> str:
    """Say why no command ends on a node that has proved its key; "" one does, or that cannot be told. Blocks."""
    try:
        with connect(at, key, timeout_s=LOGIN_S) as session:
            session.run("true", timeout_s=COMMAND_S)
    except SshDenied:
        return ""  # we may not log in there: nothing is known
    except CommandTimeout:
        return "its SSH server lets us in, and a command does not end"
    except (CommandFailed, SshTimeout, SshFailed) as error:
        return f"its SSH server answers, and no command can be run: {error.detail}"
    except SshError:
        return ""  # its port or its key has changed since: the next look says so
    return ""
