"""``grapecli events``: what happened, and what happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from grapecli import times
from grapecli.frame import Command, pass_session, span
from graped.terminal.session import Session, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json
    from graped.api.client import Client

PAGE = 500
KIND_WIDTH = len("power.changed_by_itself")  # the longest that is not rare


@click.command(cls=Command)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--since", "since_s", type=span, metavar="DURATION", help="All of that time, e.g. 1h.")
@click.option(
    "--limit", type=click.IntRange(0, 10_000), metavar="N", help="So many, the newest (default: 30; all with --since)."
)
@click.option("--kind", metavar="KIND", help="Of this kind or family: power, power.on, stack.missing ...")
@pass_session
def events(session: Session, follow: bool, since_s: float | None, limit: int | None, kind: str | None) -> int | None:
    """Show the event log, the newest last. With -f and --json: one JSON object a line."""
    client = session.client()
    if limit is None and since_s is None:
        limit = 30
    since = None if since_s is None else datetime.now(UTC) - timedelta(seconds=since_s)
    found = _old(client, since, limit, kind)
    if not follow:
        if session.json:
            session.print_json(found)
        elif found:
            session.print("\n".join(_line(session, event) for event in found))
        else:
            session.note("No event.")
        return None
    for event in found:
        _print(session, event)
    try:
        last = found[-1]["id"] if found else _newest(client)
        for event in client.stream("/v1/events/stream", last, kind=kind):
            _print(session, event)
    except KeyboardInterrupt:
        pass  # the way to end it: no failure
    return None


def _old(client: Client, since: datetime | None, limit: int | None, kind: str | None) -> list[Json]:
    """Fetch the newest events page by page, oldest first, back to a time or up to a number."""
    found: list[Json] = []
    before: int | None = None
    while limit is None or len(found) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(found))
        page = client.get("/v1/events", limit=size, before=before, kind=kind)
        page = sorted(page, key=lambda event: int(event["id"]))
        recent = [event for event in page if since is None or times.parse(event["time"]) >= since]
        found = recent + found
        if len(page) < size or len(recent) < len(page):
            break
        before = page[0]["id"]
    return found


def _newest(client: Client) -> int:
    """Find the id of the newest event of all, to go on from."""
    page = client.get("/v1/events", limit=1)
    return int(page[-1]["id"]) if page else 0


def _print(session: Session, event: Json) -> None:
    """Print one event and send it off at once: somebody watches."""
    if session.json:
        session.print_json(event)
    else:
        session.print(_line(session, event))
    flush()


def _line(session: Session, event: Json) -> str:
    """Lay out an event in one line."""
    paint = session.paint()
    words = str(event["kind"])
    bad = any(mark in words for mark in ("fault", "failed", "missing", "lost", "late", "error", "gap", "crash"))
    told = event["job"] is None or str(event["message"]).startswith(f"job {event['job']}")
    job = "" if told else f" [job {event['job']}]"
    when = paint(times.clock(event["time"]), "dim")
    return f"{when}  {paint(words.ljust(KIND_WIDTH), 'red' if bad else 'cyan')} {event['message']}{paint(job, 'dim')}"
