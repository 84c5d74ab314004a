"""Kinds of values with their bounds, and the words that tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field


@dataclass(frozen=True, slots=True)
class Expected:
    """The words for what a value should be; found in a type's annotations. ``hidden``: never say what is there."""

    words: str
    hidden: bool = False


def number(least: float, most: float, unit: str, *, above: bool = False) -> Any:
    """Take a finite number of ``unit`` in bounds; ``above``: ``least`` itself is not allowed."""
    words = f"{unit}, above {least:g} and up to {most:g}" if above else f"{unit}, {least:g} to {most:g}"
    bound = Field(gt=least, le=most) if above else Field(ge=least, le=most)
    return Annotated[float, bound, Field(allow_inf_nan=False), Expected(f"a number of {words}")]


def count(least: int, most: int, what: str = "a whole number") -> Any:
    """Take a whole number in bounds."""
    return Annotated[int, Field(ge=least, le=most), Expected(f"{what}, {least} to {most}")]


def text(rule: re.Pattern[str], words: str) -> Any:
    """Take text that a pattern fits to its end."""
    return Annotated[str, AfterValidator(lambda found: matched(rule, found)), Expected(words)]


def matched(rule: re.Pattern[str], found: str) -> str:
    """Return text that a pattern fits. Raises: ValueError."""
    if not rule.fullmatch(found):
        raise ValueError(found)
    return found


def absolute(path: Path) -> Path:
    """Return a path that starts at the root. Raises: ValueError."""
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError(path)
    return path
