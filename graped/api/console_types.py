"""The contract about what nodes say while they boot and run. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SourceWord = Literal["kernel", "system", "grape"]  # its kernel; its services; a remark of graped's


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLogLine:
    """One line. ``id`` grows, over nodes and over restarts of graped, too."""

    id: int
    time: str  # when it came to graped
    source: SourceWord
    level: int | None  # 0 (emergency) to 7 (debug), as syslog has it; null: not told
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLog:
    """Lines of a node, the oldest first; what is behind ``last`` comes with ``after=last``.

    ``left_out`` says that lines after ``after`` are not kept any more. ``why`` says why none can come, else "".
    """

    name: str
    lines: tuple[NodeLogLine, ...]
    last: int
    left_out: bool = False
    why: str = ""
