"""``grapecli guards``: who is asked before nodes lose power, and what they hold back at the moment."""

from __future__ import annotations

import time

import click

from grapecli import follow, progress, times
from grapecli.fold import fold
from grapecli.frame import Command, pass_session
from graped.errors import TimedOut, Unreachable
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

FIRST_WORD_S = 1.0  # a guard that is asked says within so long what it is going to do


@click.command("guards", cls=Command)
@pass_session
def guards(session: Session) -> None:
    """List lifecycle guards: programs that are asked before nodes lose power, such as grape_docker, which drains them.

    A guard that is not renewed is forgotten when its lease is over; power off --force asks none.
    """
    found = session.client().get("/v1/guards")
    if session.json:
        session.print_json(found)
    elif not found:
        session.note("There is no guard: power goes at once.")
    else:
        session.print("\n".join(table.lines(HEADER, [row for one in found for row in _rows(one)], session.paint())))


HEADER = ("guard", "nodes", "lease ends in", "holds", "job", "for", "at most", "it says")


def _rows(guard: Json) -> list[tuple[table.Cell, ...]]:
    """Lay out a guard, with a line for each node that it holds."""
    now = times.now()
    lease = times.span(times.age_s(now, guard["until"]) or 0.0)
    head = (guard["name"], guard["folded"] or "-", lease)
    rows: list[tuple[table.Cell, ...]] = []
    for hold in guard["holding"]:
        since, left = times.age_s(hold["since"], now) or 0.0, times.age_s(now, hold["deadline"]) or 0.0
        about = (hold["node"], str(hold["job"]), times.span(since), times.span(left), hold["note"])
        rows.append((*(head if not rows else ("", "", "")), *about))
    return rows or [(*head, *("" for _ in HEADER[len(head) :]))]


def tell_first_words(session: Session, job: Json) -> None:
    """Say which nodes of an accepted job are held back, and what their guards or systems say first; else nothing.

    Waits for these words at most ``FIRST_WORD_S``.
    """
    asked = _held(job)
    if not asked:
        return
    client, ends = session.client(), time.monotonic() + FIRST_WORD_S
    while (left_s := ends - time.monotonic()) > 0 and asked.items() & _held(job).items():
        query = {"wait_s": round(left_s, 3), "differs_from": job["version"]}
        try:
            job = client.get(f"/v1/jobs/{job['id']}", **query)
        except (Unreachable, TimedOut):
            break  # the job was accepted: that is what was asked for
    said: dict[str, list[str]] = {}
    for name, reason in _held(job).items():
        said.setdefault(reason, []).append(name)
    for reason, names in said.items():
        session.note(f"{fold(names)}: {reason} ...")
    if said:
        session.note(follow.job_hint(job))


def _held(job: Json) -> dict[str, str]:
    """Tell what the nodes of a job wait for that guards hold, or whose systems are stopping."""
    return {task["name"]: task["reason"] for task in job["tasks"] if task["step"] in progress.TOLD}
