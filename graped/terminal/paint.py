"""Colours and glyphs for a terminal; plain text for everything else."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_DOTS = {
    "on": ("●", "*", "green"),
    "off": ("○", "o", "red"),
    "fault": ("●", "!", "red"),
    "unknown": ("?", "?", "yellow"),
    "empty": ("·", ".", "dim"),
    "ok": ("●", "*", "green"),
    "degraded": ("●", "!", "yellow"),
    "starting": ("○", "o", "yellow"),
    "missing": ("●", "!", "red"),
}


class Paint:
    """Colour text, or leave it alone."""

    def __init__(self, *, color: bool, unicode: bool) -> None:
        self.color = color
        self.unicode = unicode

    @classmethod
    def choose(cls, mode: str, stream: TextIO) -> Paint:
        """Decide by ``--color``, then https://no-color.org, then by whether the stream is a terminal."""
        if mode == "auto":
            quiet = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
            color = stream.isatty() and not quiet
        else:
            color = mode == "always"
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
        return cls(color=color, unicode=encoding.startswith("utf"))

    def __call__(self, text: str, *styles: str) -> str:
        """Wrap text into the escape codes of some styles."""
        codes = ";".join(_SGR[style] for style in styles if style)
        if not self.color or not codes or not text:
            return text
        return f"\x1b[{codes}m{text}\x1b[0m"

    def dot(self, kind: str) -> str:
        """Draw the dot of a state; its shape tells the state without colour too."""
        glyph, ascii_glyph, style = _DOTS[kind]
        return self(glyph if self.unicode else ascii_glyph, style)
