"""The last words of a server, for the error that tells of its end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graped.netboot.servers.spec import ServerSpec

LINES: Final = 3
TAIL_BYTES: Final = 4096
LINE_CHARS: Final = 300


def last_words(spec: ServerSpec) -> str:
    """Join the last lines that a server has said, as ": line / line"; "" where it said nothing."""
    lines = _tail(spec.output) or (_tail(spec.log) if spec.log else [])
    return f": {' / '.join(lines)}" if lines else ""


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.strip()[:LINE_CHARS] for line in text.splitlines() if line.strip()]
    return lines[-LINES:]
