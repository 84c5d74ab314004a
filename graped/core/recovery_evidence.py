"""What a look at a node says, rung by rung. Pure.

| SSH                           | a command | ping  | link  | verdict                                                |
|-------------------------------|-----------|-------|-------|--------------------------------------------------------|
| proves another key            |           |       |       | stranger: somebody else, or installed anew; left alone |
| shows itself, no key pinned   |           |       |       | unpinned: it lives; left alone                         |
| proves the pinned key         | fails     |       |       | sick: asked to start again, then cycled                |
| proves the pinned key         | else      |       |       | alive: nothing to end                                  |
| no connection, refused, silent|           | yes   |       | hung: its kernel answers, its system does not; cycled  |
| refused, silent               |           | else  |       | the same                                               |
| no connection                 |           | no    | down  | unlinked: cycled, a cable perhaps                      |
| no connection                 |           | no    | else  | silent: cycled                                         |
| not asked                     |           |       |       | unknown: nothing is done                               |
"""

from __future__ import annotations

from typing import Final

from graped.core.events import EvidenceSeen, SshSeen
from graped.core.recovery_types import Verdict

_CONNECTS: Final = frozenset({SshSeen.REFUSED, SshSeen.SILENT})
LIVES: Final = frozenset({Verdict.ALIVE, Verdict.STRANGER, Verdict.UNPINNED})
DEAD: Final = frozenset({Verdict.HUNG, Verdict.SILENT, Verdict.UNLINKED})

SENTENCES: Final = {
    Verdict.UNKNOWN: "it cannot be told how far it answers",
    Verdict.ALIVE: "it answers: nothing to end",
    Verdict.STRANGER: "it answers with a host key that is not the pinned one",
    Verdict.UNPINNED: "it answers, and its host key is not pinned",
    Verdict.SICK: "it lets us in, and a command does not end well",
    Verdict.HUNG: "its network answers, its system does not",
    Verdict.SILENT: "nothing of it answers",
    Verdict.UNLINKED: "nothing of it answers, and its link is down",
}


def verdict(seen: EvidenceSeen) -> Verdict:
    """Judge what was seen of a node."""
    match seen.ssh:
        case None:
            return Verdict.UNKNOWN
        case SshSeen.WRONG_KEY:
            return Verdict.STRANGER
        case SshSeen.BANNER:
            return Verdict.UNPINNED
        case SshSeen.TRUSTED:
            return Verdict.SICK if seen.command is False else Verdict.ALIVE
    if seen.ping or seen.ssh in _CONNECTS:
        return Verdict.HUNG
    if seen.ping is None:
        return Verdict.UNKNOWN
    return Verdict.UNLINKED if seen.link is False else Verdict.SILENT


def answers(seen: EvidenceSeen) -> bool:
    """Whether a look proves that the way to a node is as it should be, and so is what nodes need of us."""
    return verdict(seen) in LIVES
