"""Things that only one key of the configuration may claim: addresses, names, pins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graped.config.findings import DEFAULT, Findings, Path, dotted, shown


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that may be claimed once, the key that claims it, and the file that says so."""

    what: object
    path: Path
    source: str


def once(claims: Iterable[Claim], expected: str, findings: Findings, ranks: Mapping[str, int]) -> None:
    """Note each claim that was made before: the first file, and in it the first key, keeps it."""
    first: dict[object, Claim] = {}
    for claim in sorted(claims, key=lambda claim: ranks.get(claim.source, -1)):
        holder = first.setdefault(claim.what, claim)
        if holder is not claim:
            words = f"{expected}, not that of {_place(holder, claim)}"
            findings.note(claim.path, words, shown(claim.what))


def _place(claim: Claim, seen_from: Claim) -> str:
    if claim.source == seen_from.source:
        return dotted(claim.path)
    return f"{dotted(claim.path)} ({'by default' if claim.source == DEFAULT else f'in {claim.source}'})"
