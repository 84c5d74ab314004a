"""Fold node names into ranges: ``worker-0-0, worker-0-1`` -> ``worker-0-[0-1]``.

The daemon resolves and folds node sets with ClusterShell; this folds what the CLI groups itself (results, changes)
without its import time. ClusterShell expands what this folds to the same names (see tests/cli/test_fold.py).
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"^(.*?)([0-9]+)([^0-9]*)$", re.DOTALL)


def fold(names: list[str] | tuple[str, ...]) -> str:
    """Fold names: first the last number of each, then the number before it where the rest is the same."""
    whole = sorted(set(names), key=_natural)
    inner: dict[tuple[str, str], list[str]] = {}
    plain: list[str] = []
    for name in whole:
        match = _NUMBER.match(name)
        if match is None:
            plain.append(name)
        else:
            inner.setdefault((match[1], match[3]), []).append(match[2])
    outer: dict[tuple[str, str], list[str]] = {}
    for (before, after), numbers in inner.items():
        folded = _ranges(numbers) + after
        match = _NUMBER.match(before)
        if match is None:
            plain.append(before + folded)
        else:
            outer.setdefault((match[1], match[3] + folded), []).append(match[2])
    plain += [before + _ranges(numbers) + after for (before, after), numbers in outer.items()]
    return ",".join(sorted(plain, key=_natural))


def _ranges(numbers: list[str]) -> str:
    """Fold digit strings: ``["1", "2", "4"]`` -> ``[1-2,4]``; one number stays bare. Padded ones fold by width."""
    padded = any(len(number) > 1 and number[0] == "0" for number in numbers)
    groups: dict[int, list[int]] = {}
    for number in numbers:
        groups.setdefault(len(number) if padded else 0, []).append(int(number))
    parts = [part for width in sorted(groups) for part in _runs(sorted(groups[width]), width)]
    return parts[0] if len(numbers) == 1 else f"[{','.join(parts)}]"


def _runs(values: list[int], width: int) -> list[str]:
    """Turn sorted numbers into ``3`` and ``5-8``, zero-padded to a width."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return [f"{a:0{width}d}" if a == b else f"{a:0{width}d}-{b:0{width}d}" for a, b in runs]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Order 2 before 10, and numbers before text."""
    parts = re.split(r"([0-9]+)", name)  # text, digits, text, ...
    return [(0, int(part), part) if at % 2 else (1, 0, part) for at, part in enumerate(parts) if part]
