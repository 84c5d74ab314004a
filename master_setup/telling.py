"""How plan, apply, check and revert tell what they found and did: lines for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from graped.errors import GrapeError
from master_setup.checking import Finding
from master_setup.planning import Change
from master_setup.steps.base import Step


def plan(changes: Sequence[Change], steps: Sequence[Step]) -> str:
    """Return a plan as text: a heading a step, a line a change, its diff below."""
    about = {step.NAME: step.SUMMARY for step in steps}
    lines: list[str] = []
    step = ""
    for change in changes:
        if change.step != step:
            step = change.step
            lines += [f"{step}: {about.get(step, 'not wanted any more')}"]
        lines += [f"  {'-' if change.want is None else '+'} {change.difference.summary}"]
        lines += [f"    {line}" for line in change.difference.diff.splitlines()]
    lines += [f"{len(changes)} changes. Nothing was done." if changes else "Nothing to do."]
    return "\n".join(lines)


def notes(lines: Iterable[str]) -> None:
    """Print what has to be known beside the answer."""
    for line in lines:
        print(f"note: {line}")


def as_json(changes: Iterable[Change]) -> list[dict[str, str]]:
    """Return changes as values for JSON."""
    return [
        {"step": each.step, "key": each.key, "summary": each.difference.summary, "diff": each.difference.diff}
        for each in changes
    ]


def check(drift: Sequence[Change], ill: Sequence[Finding]) -> str:
    """Return a check as text."""
    lines = [f"differs: {each.step}: {each.difference.summary}" for each in drift]
    if drift:
        lines += ["hint: grape-setup plan shows how, grape-setup apply puts it right"]
    for finding in ill:
        lines += [f"not well: {finding.detail}", *([f"hint: {finding.hint}"] if finding.hint else [])]
    return "\n".join(lines or ["All is as it was set up, and works."])


def out(text: str) -> None:
    """Print what was asked for."""
    print(text)


def out_json(value: dict[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(value, indent=1))


def progress(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def failure(error: GrapeError, in_json: bool) -> None:
    """Tell an error on stderr."""
    if in_json:
        about = {"code": error.code, "title": error.title, "detail": error.detail, "hint": error.hint}
        print(json.dumps({**about, **error.fields}), file=sys.stderr)
        return
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
