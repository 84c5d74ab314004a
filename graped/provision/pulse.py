"""When each node is asked by SSH whether it lives, and what its answer means for its boot stage. Pure.

| stage now              | asked again after | an answer with the pinned key | none                                  |
|------------------------|-------------------|-------------------------------|---------------------------------------|
| kernel, root           | 0.25 s            | ``up``                        | nothing: it is booting                |
| powered, own disk      | the same          | ``up``                        | the same; once it is late after 5 s   |
| up                     | 15 s              | nothing new                   | asked after 5 s; 3 in a row: ``lost`` |
| lost, unknown, powered | 5 s               | ``up``                        | nothing                               |
| dhcp, tftp             | never: no system runs in it                                                               |

A node that answers in vain (another key, no key, none pinned) is asked after 5 s: OpenSSH shuts out who often connects
and does not log in. A key that is not the pinned one is no evidence: it is told, once, and never taken for ``up``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from graped.core.events import StageSeen
from graped.core.lateness import STRANGER
from graped.core.state import SlotState
from graped.model import Power, SlotId, Stage

BOOTING_S: Final = 0.25
LIVING_S: Final = 15.0
DOUBT_S: Final = 5.0
LOST_AFTER: Final = 3  # answers that stayed out in a row: one lost packet or a busy node is no death
_LOADING: Final = frozenset({Stage.DHCP, Stage.TFTP})
_BOOTING: Final = frozenset({Stage.KERNEL, Stage.ROOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. ``trusted``: True the pinned key, False another one, None no key was seen or none is pinned."""

    banner: str = ""
    trusted: bool | None = None
    in_vain: bool = False  # somebody answered, and showed no key
    error: str = ""  # why nothing came back; with a banner: what is strange about it, "" the usual words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beat:
    asked: float = float("-inf")
    missed: int = 0
    in_vain: bool = False
    strange: str = ""  # what was told last of a key that is not the pinned one


class Pulse:
    """Remembers of each node when it is due and how often it stayed silent."""

    def __init__(self) -> None:
        self._beats: dict[SlotId, _Beat] = {}

    def due(
        self,
        slots: Mapping[SlotId, SlotState],
        among: Iterable[SlotId],
        now: float,
        local: Container[SlotId] = frozenset(),
    ) -> tuple[SlotId, ...]:
        """Name the nodes to ask now; one that is off is never asked. ``local`` ones boot from their own disk."""
        found = []
        for slot in among:
            state = slots.get(slot)
            if state is None or state.observed is Power.OFF:
                self._beats.pop(slot, None)
                continue
            beat = self._beats.setdefault(slot, _Beat())
            if state.stage not in _LOADING and now >= beat.asked + _pause(state, beat, slot in local):
                found.append(slot)
        return tuple(found)

    def forget(self, slot: SlotId) -> None:
        """Ask a node at once, and tell of it again: its pinned key is another one."""
        self._beats.pop(slot, None)

    def heard(self, slot: SlotId, stage: Stage | None, answer: Answer, now: float) -> StageSeen | None:
        """Take an answer; return what it tells of the stage, if anything."""
        beat = self._beats.get(slot, _Beat())
        if answer.trusted:
            self._beats[slot] = _Beat(asked=now)
            return None if stage is Stage.UP else StageSeen(slot=slot, stage=Stage.UP, evidence=_words(answer.banner))
        if answer.banner:
            return self._strange(slot, stage, answer, beat, now)
        missed = beat.missed + 1
        self._beats[slot] = replace(beat, asked=now, missed=missed, in_vain=answer.in_vain)
        if stage is Stage.UP and missed >= LOST_AFTER:
            return StageSeen(slot=slot, stage=Stage.LOST, evidence=f"SSH: {answer.error}")
        return None

    def _strange(self, slot: SlotId, stage: Stage | None, answer: Answer, beat: _Beat, now: float) -> StageSeen | None:
        why = "with a host key that is not the pinned one" if answer.trusted is False else "but its key is not pinned"
        text = answer.error or f"{STRANGER} {why}"
        self._beats[slot] = _Beat(asked=now, in_vain=True, strange=text)
        if beat.strange == text:
            return None
        after = Stage.LOST if stage is Stage.UP else stage  # somebody else answers in its place
        return StageSeen(slot=slot, stage=after, evidence=text)


def is_booting(state: SlotState, local: bool) -> bool:
    """Whether a node may answer any moment now. Pure."""
    return state.stage in _BOOTING or (local and state.stage is Stage.POWERED and not state.late)


def _pause(state: SlotState, beat: _Beat, local: bool) -> float:
    if is_booting(state, local) and not beat.in_vain:
        return BOOTING_S
    return LIVING_S if state.stage is Stage.UP and not beat.missed else DOUBT_S


def _words(banner: str) -> str:
    return banner if len(banner) <= 80 else f"{banner[:80]}..."
