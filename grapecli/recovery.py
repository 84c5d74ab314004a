"""``grapecli recovery``, ``node quarantine|release|recovery``: what is done about nodes in trouble."""

from __future__ import annotations

import click

from grapecli import times
from grapecli.fold import fold
from grapecli.frame import Command, join, nodes_argument, pass_session
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

STEPS = {
    None: ("", ""),
    "wait": ("wait", "yellow"),
    "leave": ("leave alone", ""),
    "soft_reboot": ("soft reboot", "yellow"),
    "cycle": ("power cycle", "yellow"),
    "pause": ("pause", "yellow"),
    "quarantine": ("quarantine", "red"),
    "hold": ("hold", "yellow"),
}
HEADER = ("node", "mode", "step", "why", "cycles", "next", "evidence")


@click.command("recovery", cls=Command)
@nodes_argument(required=False)
@pass_session
def recovery(session: Session, nodeset: tuple[str, ...]) -> None:
    """Show which nodes are in trouble, and what is done about each; without a node set only those and the quarantined.

    Modes: off, advise (each step is told, nothing is done), act. Nobody is recovered while something holds recovery:
    a fault of our own servers, or many nodes that came into trouble together.
    """
    report = session.client().get("/v1/recovery", nodes=join(nodeset) if nodeset else None)
    if session.json:
        session.print_json(report)
        return
    paint, now = session.paint(), times.now()
    for hold in report["held"]:
        where = "" if hold["where"] == "all" else f" in {hold['where']}"
        since = times.span(times.age_s(hold["since"], now) or 0.0)
        session.print(paint(f"held{where} for {since}: {hold['reason']}", "yellow"))
    shown = [one for one in report["nodes"] if nodeset or one["step"] is not None]
    if shown:
        session.print("\n".join(table.lines(HEADER, [_row(one, report, now) for one in shown], paint)))
    else:
        session.note("No node is in trouble.")
    session.note(_modes(report))


def _row(one: Json, report: Json, now: str) -> tuple[table.Cell, ...]:
    """Lay out one node."""
    why = one["why"] or one["trouble"]
    if one["step"] in ("soft_reboot", "cycle", "quarantine") and one["mode"] == "advise" and not one["quarantine"]:
        why = f"would be done: {why}"
    left = None if one["next_at"] is None else times.age_s(now, one["next_at"])
    cycles = f"{one['cycles']} of {report['max_cycles_per_hour']}" if one["cycles"] else "-"
    after = "-" if left is None else f"in {times.span(max(0.0, left))}"
    return (one["name"], one["mode"], STEPS[one["step"]], why, cycles, after, one["evidence"])


def _modes(report: Json) -> str:
    """Say which nodes have which mode."""
    by_mode: dict[str, list[str]] = {}
    for one in report["nodes"]:
        by_mode.setdefault(one["mode"], []).append(one["name"])
    told = "; ".join(f"{mode}: {fold(names)}" for mode, names in by_mode.items())
    return f"modes: {told or 'no node is configured'} (others: {report['mode']})"


@click.command("quarantine", cls=Command)
@click.option("--reason", default="", metavar="TEXT", help="Why; shown wherever the node is.")
@nodes_argument()
@pass_session
def quarantine(session: Session, nodeset: tuple[str, ...], reason: str) -> None:
    """Have recovery leave nodes alone until they are released, over restarts of graped too.

    Their power stays as it is, and they can be switched as ever.
    """
    body = {"nodes": join(nodeset), "reason": reason}
    _done(session, session.client().post("/v1/recovery/quarantine", body), "in quarantine")


@click.command("release", cls=Command)
@nodes_argument()
@pass_session
def release(session: Session, nodeset: tuple[str, ...]) -> None:
    """Release nodes from quarantine: recovery looks after them again, and begins anew."""
    _done(session, session.client().post("/v1/recovery/release", {"nodes": join(nodeset)}), "released")


@click.command("recovery", cls=Command)
@nodes_argument()
@click.argument("mode", type=click.Choice(("off", "advise", "act", "default")))
@pass_session
def set_mode(session: Session, nodeset: tuple[str, ...], mode: str) -> None:
    """Set what is done about nodes in trouble: nothing (off), tell what should be done (advise), or do it (act).

    "default" goes back to what the configuration files say. Only "act" ever switches a slot.
    """
    word = None if mode == "default" else mode
    words = f"recovery {mode}" + ("" if word else ", as the configuration files say")
    _done(session, session.client().post("/v1/recovery/mode", {"nodes": join(nodeset), "mode": word}), words)


def _done(session: Session, report: Json, words: str) -> None:
    if session.json:
        session.print_json(report)
        return
    session.print(f"{fold([one['name'] for one in report['nodes']])}: {words}")
