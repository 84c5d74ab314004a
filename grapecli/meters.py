"""``grapecli meters``: what the meters say, now or over time."""

from __future__ import annotations

import click

from grapecli import spark, times
from grapecli.frame import Command, pass_session, span
from grapecli.units import KINDS, human, whole
from graped.errors import NotFound
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json
    from graped.terminal.paint import Paint

POINTS = 48  # of a sparkline
ROWS = 60  # of a table, about


@click.command(cls=Command)
@click.option("--stack", "stack", type=click.IntRange(0), metavar="N", help="Of this stack alone.")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind alone.")
@click.option("--since", "since_s", type=span, metavar="DURATION", help="Over time, e.g. 1h: a sparkline a meter.")
@click.option("--table", "as_table", is_flag=True, help="With --since: a table of points instead.")
@pass_session
def meters(session: Session, stack: int | None, kind: str | None, since_s: float | None, as_table: bool) -> None:
    """Show the meters of the stacks, now or over time."""
    if since_s is None:
        if as_table:
            raise click.UsageError("--table lays out a history: say --since too.")
        _now(session, stack, kind)
        return
    step_s = min(86400.0, max(1.0, since_s / (ROWS if as_table else POINTS)))
    query = {"stack": stack, "kind": kind, "since": since_s, "step_s": step_s}
    history = session.client().get("/v1/meters/history", **query)
    if session.json:
        session.print_json(history)
        return
    for one in history:
        session.print("\n".join(_points(one, session.paint()) if as_table else [_spark(one, session.paint(), since_s)]))
    if not history:
        session.note("No meter has a history of that time.")


def _now(session: Session, number: int | None, kind: str | None) -> None:
    """Show the newest readings. Raises NotFound for a stack that does not exist."""
    stacks = [one for one in session.client().get("/v1/meters") if number in (None, one["stack"])]
    if number is not None and not stacks:
        raise NotFound(f"there is no stack {number}", hint="grapecli stack list shows them.")
    kinds = KINDS if kind is None else (kind,)
    if session.json:
        session.print_json([_narrowed(one, kinds) for one in stacks])
        return
    now = times.now()
    rows = [row for one in stacks for row in _rows(one, kinds, now)]
    session.print("\n".join(table.lines(("stack", "meter", "value", "taken"), rows, session.paint(), right="r.r")))


def _narrowed(stack: Json, kinds: tuple[str, ...]) -> Json:
    """Keep the meters of some kinds; what is missing is always told."""
    return {**stack, "meters": {kind: meter for kind, meter in stack["meters"].items() if kind in kinds}}


def _rows(stack: Json, kinds: tuple[str, ...], now: str) -> list[tuple[table.Cell, ...]]:
    """Lay out a stack's meters; a missing one says why."""
    rows: list[tuple[table.Cell, ...]] = []
    for kind in kinds:
        meter = stack["meters"].get(kind)
        if meter is not None:
            stale = " (stale)" if meter["stale"] else ""
            value = (human(meter["value"], meter["unit"]), "yellow" if stale else "")
            rows.append((str(stack["stack"]), kind, value, times.clock(meter["at"], now) + stale))
    missing = stack["meters_missing"].items()
    return rows + [(str(stack["stack"]), kind, ("-", "dim"), (why, "yellow")) for kind, why in missing]


def _spark(history: Json, paint: Paint, since_s: float) -> str:
    """Draw a meter's history in one line, with its range and its newest value."""
    unit, points = history["unit"], history["points"]
    title = f"stack {history['stack']} {history['kind']:<11}"
    if not points:
        return f"{title} no samples in the last {times.span(since_s)}"
    line = spark.draw([point["mean"] for point in points], unicode=paint.unicode)
    least, most = min(point["least"] for point in points), max(point["most"] for point in points)
    return f"{title} {paint(line, 'cyan')}  {human(least, unit)} to {human(most, unit)}, {_last(history)}"


def _last(history: Json) -> str:
    return "now " + human(history["points"][-1]["mean"], history["unit"])


def _points(history: Json, paint: Paint) -> list[str]:
    """Lay out the points of a meter's history."""
    unit = history["unit"]
    header = ("time", "mean", "least", "most")
    rows: list[tuple[table.Cell, ...]] = [
        (times.clock(point["time"]), *(human(point[key], unit) for key in ("mean", "least", "most")))
        for point in history["points"]
    ]
    step = times.span(history["step_s"])
    title = f"stack {history['stack']} {history['kind']} in {whole(unit)}, a point each {step}"
    return [paint(title, "bold"), *table.lines(header, rows, paint, right=".rrr"), ""]
