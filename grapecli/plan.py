"""Show a power plan, and ask before more than one running node loses power."""

from __future__ import annotations

import sys

from grapecli.fold import fold
from graped.terminal import table
from graped.terminal.failure import Refused
from graped.terminal.paint import Paint
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

_STYLE = {"on": "green", "off": "red", "none": "dim", "never": "red"}


def lines(plan: Json, paint: Paint) -> list[str]:
    """Lay out a plan: order, times and watts, then a summary."""
    rows: list[tuple[table.Cell, ...]] = []
    for step in plan["steps"]:
        idle = step["action"] in ("none", "never")
        at = "-" if idle else f"{step['at_s']:.1f} s"
        action = (step["action"], _STYLE[step["action"]])
        watts = "-" if idle else f"{step['watts']:g} W"
        draws = "-" if idle else f"{step['stack_watts']:g} W"
        rows.append((at, action, step["name"], step["observed"], watts, draws, step["note"]))
    header = ("at", "action", "node", "now", "watts", "stack draws", "note")
    return [*table.lines(header, rows, paint, right="r...rr"), "", _summary(plan)]


def _summary(plan: Json) -> str:
    """Say in one line what the plan comes to."""
    acting = [step for step in plan["steps"] if step["action"] in ("on", "off")]
    parts = [f"{plan['verb']} {plan['folded']}: {len(acting)} switching action{'' if len(acting) == 1 else 's'}"]
    if acting:
        parts.append(f"the last one {max(step['at_s'] for step in acting):.1f} s from now")
    never = [step["name"] for step in plan["steps"] if step["action"] == "never"]
    if never:
        parts.append(f"never: {fold(never)}")
    return ", ".join(parts) + ". Nothing was done."


def already(plan: Json) -> tuple[str, ...]:
    """Name the nodes of a plan that are already as asked."""
    busy = {step["name"] for step in plan["steps"] if step["action"] != "none"}
    return tuple(name for name in plan["names"] if name not in busy)


def confirm(session: Session, plan: Json, *, force: bool, yes: bool) -> None:
    """List what loses power and ask, where that is more than one running node.

    Raises Refused where the answer is no, or where nobody can be asked.
    """
    running = plan["running"]
    if yes or plan["verb"] == "on" or len(running) < 2:
        return
    how = " at once, without guards and soft-off" if force else ""
    what = f"{len(running)} running nodes lose power{how}: {fold(running)}"
    if not session.terminal:
        hint = "Add --yes to do it without being asked, or --dry-run to see the plan."
        raise Refused(f"{what}; there is no terminal to ask at.", hint=hint)
    err = sys.stderr
    stages = {step["name"]: step["stage"] for step in plan["steps"]}
    err.write(f"{session.paint(err)(what, 'red')}\n")
    for name in running:
        stage = stages.get(name)
        err.write(f"  {name}{f'  ({stage})' if stage else ''}\n")
    err.write(f"Power {plan['verb']} them? [y/N] ")
    err.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("The answer was not yes.")
