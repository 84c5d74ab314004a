"""``grapecli enrol``: find out which board sits in which slot."""

from __future__ import annotations

import sys

import click

from grapecli import exits, working
from grapecli.fold import fold
from grapecli.frame import Command, join, nodes_argument, pass_session, span
from graped.terminal import table
from graped.terminal.asking import ask, confirm
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

TIMEOUT_S = 60.0
STYLES = {
    "found": "green", "kept": "green", "moved": "yellow", "empty": "", "silent": "yellow", "skipped": "yellow",
    "strange": "red", "failed": "red",
}  # fmt: skip


@click.command("enrol", cls=Command)
@click.option("--timeout", type=span, default=TIMEOUT_S, metavar="S",
              help="How long a board may take to be heard, each (default: 60).")  # fmt: skip
@click.option("--skip-running", is_flag=True, help="Leave slots alone that are on.")
@click.option("--yes", "-y", is_flag=True, help="Switch off nodes that are on without being asked.")
@click.option("--accept-moves", is_flag=True, help="Write also that a known board sits in another slot now.")
@click.option("--dry-run", "-n", is_flag=True, help="Look, and show what would be written; write nothing.")
@nodes_argument()
@pass_session
def enrol(
    session: Session,
    nodeset: tuple[str, ...],
    dry_run: bool,
    accept_moves: bool,
    yes: bool,
    skip_running: bool,
    timeout: float,
) -> int:
    """Find out which board sits in which slot, and write its MAC address into the configuration.

    NODESET names nodes and empty slots, as in grapecli power --help; here @all is every slot of every stack. All of
    them are switched off; then one after the other comes on, and graped listens who asks for an address. At the end
    each slot is on or off as it was. Results are in config.d/50-enrolled.toml beside the configuration file, and in
    force at once; names, images and addresses of the slots stay.
    """
    return look(
        session, join(nodeset), dry_run=dry_run, accept_moves=accept_moves, yes=yes, skip_running=skip_running,
        timeout=timeout,
    )  # fmt: skip


def look(
    session: Session,
    nodes: str,
    *,
    dry_run: bool,
    accept_moves: bool,
    yes: bool,
    skip_running: bool,
    timeout: float,
) -> int:
    """Ask where nodes are on, have graped look, and show what it found. Returns the exit code."""
    client = session.client()
    planned = client.post("/v1/enrol/plan", {"nodes": nodes})
    running = [] if skip_running else planned["running"]
    if running:
        lines = [f"{fold(running)}: shut down, switched off, and on again when looked at"]
        confirm(session, "These nodes are on", lines, "Switch them off to look who they are?", yes=yes)
    body = {
        "nodes": planned["slots"], "consent": running, "dry_run": dry_run, "accept_moves": accept_moves,
        "timeout_s": timeout,
    }  # fmt: skip
    job = working.followed(session, client.post("/v1/enrol", body))
    report = client.get(f"/v1/enrol/{job['id']}")
    if not session.json:
        _show(session, report)
        report = _moves(session, report, asked=dry_run or accept_moves)
    _told(session, report, job)
    return exits.of_outcome(job["outcome"])


def _show(session: Session, report: Json) -> None:
    rows: list[tuple[table.Cell, ...]] = []
    for one in report["slots"]:
        verdict = one["verdict"] or "not looked at"
        macs = one["mac"] or ", ".join(one["macs"]) or "-"
        power = "on" if one["was_on"] else "off"
        seconds = f"{one['took_s']:.1f} s" if one["took_s"] else ""
        cell = (verdict, STYLES.get(verdict, ""))
        rows.append((one["name"], cell, macs, one["model"] or "-", one["serial"] or "-", power, seconds, one["note"]))
    header = ("slot", "verdict", "mac", "model", "serial", "power as before", "heard after", "note")
    for line in table.lines(header, rows, session.paint(), right="......r"):
        session.print(line)


def _moves(session: Session, report: Json, *, asked: bool) -> Json:
    """Ask about boards that were moved, unless that is settled."""
    if not report["moves"] or asked:
        return report
    moved = fold(report["moves"])
    if session.terminal and ask(f"Boards were moved to {moved}. Is that so for good?"):
        accepted: Json = session.client().post(f"/v1/enrol/{report['job']}/accept")
        return accepted
    session.note(f"{moved}: moved there, and not written. Again with --accept-moves, or put the boards back.")
    return report


def _told(session: Session, report: Json, job: Json) -> None:
    """Say how it ended, and what was written."""
    if session.json:
        session.print_json({**report, "outcome": job["outcome"], "reason": job["reason"]})
        return
    counts: dict[str, int] = {}
    for one in report["slots"]:
        counts[one["verdict"] or "not looked at"] = counts.get(one["verdict"] or "not looked at", 0) + 1
    session.print(f"\n{', '.join(f'{count} {word}' for word, count in counts.items())} in {report['took_s']:.0f} s")
    for line in report["left_out"]:
        session.note(f"not written: {line}")
    if report["dry_run"] and report["diff"]:
        session.print(f"\nwould be written:\n{report['diff'].rstrip()}")
    elif report["written"]:
        session.print(f"written: {report['file']}")
    else:
        session.print("nothing to be written")
    if job["outcome"] != "done" and job["reason"]:
        session.note(session.paint(sys.stderr)(f"job {job['id']} {job['outcome']}: {job['reason']}", "red"))
        if job["hint"]:
            session.note(f"  hint: {job['hint']}")
