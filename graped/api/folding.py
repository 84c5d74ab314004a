"""Fold node names the way people write them: ``worker-0-[0-3],worker-1-5``.

ClusterShell expands what this folds to the same names; its own folding is slower by an order of magnitude and lists
bigger groups first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_DIGITS = re.compile(r"([0-9]+)")


def fold(names: Iterable[str]) -> str:
    """Fold names into one node set expression, in natural order."""
    return _fold(tuple(names))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key: ``worker-2`` comes before ``worker-10``."""
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in _DIGITS.split(name))


@lru_cache(maxsize=256)
def _fold(names: tuple[str, ...]) -> str:
    """Merge along the last number of each name first, then along the ones before it."""
    rows = [tuple(_DIGITS.split(name)) for name in sorted(set(names), key=natural)]
    deepest = max((len(row) for row in rows), default=0)
    for from_end in range(2, deepest, 2):
        rows = _merge(rows, from_end)
    return ",".join("".join(row) for row in rows)


def _merge(rows: list[tuple[str, ...]], from_end: int) -> list[tuple[str, ...]]:
    """Join rows that are equal but for the number at ``from_end``."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if len(row) <= from_end:
            groups.setdefault((*row, ""), []).append("")
            continue
        at = len(row) - from_end
        number = row[at]
        width = len(number) if number.startswith("0") and number != "0" else 0
        groups.setdefault((*row[:at], "", *row[at + 1 :], str(width)), []).append(number)
    return [_joined(key[:-1], numbers, from_end) for key, numbers in groups.items()]


def _joined(row: tuple[str, ...], numbers: list[str], from_end: int) -> tuple[str, ...]:
    if numbers == [""]:
        return row
    at = len(row) - from_end
    text = numbers[0] if len(numbers) == 1 else f"[{','.join(_runs(numbers))}]"
    return (*row[:at], text, *row[at + 1 :])


def _runs(numbers: list[str]) -> list[str]:
    """Turn sorted numbers of one width into ``3`` and ``5-8``."""
    runs: list[list[str]] = []
    for number in numbers:
        if runs and int(number) == int(runs[-1][1]) + 1 and len(number) >= len(runs[-1][1]):
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [first if first == last else f"{first}-{last}" for first, last in runs]
