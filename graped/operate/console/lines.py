"""What a datagram of a node says: lines of netconsole, of /dev/kmsg, of syslog. Pure, and made for strangers' bytes.

Sources: Linux, Documentation/ABI/testing/dev-kmsg and Documentation/networking/netconsole.rst; RFC 3164, 4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from graped.api.console_types import SourceWord
from graped.netboot.console import HELLO

LONGEST_DATAGRAM: Final = 8192  # bytes that are looked at; a log line over UDP should fit into 1024
LONGEST_LINE: Final = 1000  # characters
MOST_LINES: Final = 50  # in one datagram

_RECORD: Final = re.compile(
    r"(\d{1,10}),(\d{1,19}),(\d{1,19}),([^,;]{0,20})((?:,[^;]{0,60})?);(.*)", re.ASCII | re.DOTALL
)
_PRIORITY: Final = re.compile(r"<(\d{1,3})>(.*)", re.ASCII | re.DOTALL)
_DATE: Final = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (.*)", re.ASCII | re.DOTALL)
_PART: Final = re.compile(r",ncfrag=\d+/\d+", re.ASCII)
_HELLO: Final = re.compile(re.escape(HELLO) + r"([0-9a-f-]{36})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line. ``number`` is that of the kernel's record (None: it has none); ``boot``: a boot has begun, its id."""

    source: SourceWord
    text: str
    level: int | None = None
    number: int | None = None
    stamp: str = ""  # the kernel's, of that record
    boot: str | None = None


def read(data: bytes, *, kernel: bool) -> tuple[Said, ...]:
    """Read a datagram; ``kernel``: it came to the port of netconsole."""
    text = data[:LONGEST_DATAGRAM].decode(errors="replace")
    if kernel and (record := _RECORD.match(text)):
        return _record(record)
    found = (_line(line, kernel) for line in re.split(r"[\n\0]", text)[:MOST_LINES] if line.strip())
    return tuple(one for one in found if one.text or one.boot)


def _record(record: re.Match[str]) -> tuple[Said, ...]:
    """Read a record of the kernel: "level,number,microseconds,flags;text", then lines of its dictionary."""
    priority, number, stamp, _, more, text = record.groups()
    part = _PART.search(more)
    text = text if part else text.partition("\n")[0]
    # A part has another text than the whole, which may come by another way under the same number.
    said = Said(
        source="kernel", level=int(priority) & 7, text=clean(text),
        number=None if part else int(number), stamp=stamp,
    )  # fmt: skip
    return (said,) if said.text else ()


def _line(line: str, kernel: bool) -> Said:
    level = None
    if priority := _PRIORITY.match(line):
        level, line = int(priority[1]) & 7, priority[2]
    if hello := _HELLO.fullmatch(line.strip()):
        return Said(source="grape", text="", boot=hello[1])
    if not kernel and (dated := _DATE.match(line)):
        line = dated[1]  # we know who it is, and have a time of our own: a node's clock may be wrong
    return Said(source="kernel" if kernel else "system", level=level, text=clean(line))


def clean(text: str) -> str:
    """Make text safe for a terminal: control characters are shown, not sent."""
    shown = "".join(char if char.isprintable() else _shown(char) for char in text[: 2 * LONGEST_LINE])
    return shown.rstrip()[:LONGEST_LINE]


def _shown(char: str) -> str:
    if char in "\t\r\n":
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
