"""The man macros: pure text in, roff out. Source: man(7), groff_man(7)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Final

_SPANS: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]+\)")


def head(name: str, section: int, about: str) -> str:
    """Begin a page. No date and no version: a page changes with what it says, and with nothing else."""
    return f'.\\" Made by `make man`: do not edit.\n.TH {escaped(name.upper())} {section} "" "Grape" "Grape"\n' + (
        f".SH NAME\n{escaped(name)} \\- {escaped(about)}\n"
    )


def escaped(text: str) -> str:
    """Have text stand as it is: no macro at the start of a line, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def section(title: str, body: str) -> str:
    """Give a section."""
    return f".SH {escaped(title.upper())}\n{body}"


def subsection(title: str, body: str = "") -> str:
    """Give a part of a section."""
    return f'.SS "{escaped(title)}"\n{body}'


def paragraph(text: str) -> str:
    """Give a paragraph; `code` and **strong words** are bold, links are their words."""
    return f".PP\n{spans(text)}\n"


def tagged(term: str, text: str) -> str:
    """Give a term and what it means."""
    return f".TP\n\\fB{escaped(term)}\\fR\n{spans(text) or chr(92) + '&'}\n"


def terms(pairs: Iterable[tuple[str, str]]) -> str:
    """Give a list of terms."""
    return "".join(tagged(term, text) for term, text in pairs)


def verbatim(text: str) -> str:
    """Give lines that stay as they are."""
    return f".PP\n.RS 4\n.nf\n{escaped(text.rstrip())}\n.fi\n.RE\n"


def spans(text: str) -> str:
    """Escape one paragraph, with its Markdown."""
    out, at = [], 0
    for found in _SPANS.finditer(text):
        out.append(escaped(text[at : found.start()]))
        code, strong, link = found.groups()
        out.append(spans(link) if link else f"\\fB{escaped(code or strong)}\\fR")
        at = found.end()
    out.append(escaped(text[at:]))
    joined = "".join(out).replace("\n", " ").strip()
    return re.sub(r"^([.'])", r"\\&\1", joined)


def docstring(text: str) -> str:
    r"""Give a help text: paragraphs apart by empty lines, those after a ``\b`` as they are. Source: click."""
    return "".join(_blocks(text))


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text.replace("\f", ""))):
        if block.startswith("\b"):
            yield verbatim(block.removeprefix("\b").strip("\n"))
        else:
            yield paragraph(" ".join(block.split()))
