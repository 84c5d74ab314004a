"""``grapecli jobs``: power commands and long work, what waits, runs and ended."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from grapecli import follow, result, times
from grapecli.frame import Group, pass_session
from grapecli.hearing import Hearing
from grapecli.working import amount, nodes_line
from graped.terminal import table
from graped.terminal.session import Session, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

_STYLE = {"done": "green", "failed": "red", "completed_with_errors": "red", "interrupted": "red", "cancelled": "yellow"}


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the list; ``jobs`` alone takes them too."""
    limit = click.IntRange(1, 1000)
    function = click.option(
        "--limit", type=limit, metavar="N", default=20, show_default=True, help="So many, the newest."
    )(function)
    return click.option("--open", "open_only", is_flag=True, help="Only those that have not ended.")(function)


@click.group(cls=Group, invoke_without_command=True)
@_options
@click.pass_context
def jobs(ctx: click.Context, limit: int, open_only: bool) -> None:
    """List, show and cancel power commands and long work. Without a subcommand: list."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_jobs, limit=limit, open_only=open_only)


@jobs.command("list")
@_options
@pass_session
def list_jobs(session: Session, limit: int, open_only: bool) -> None:
    """List jobs, the newest last."""
    found = session.client().get("/v1/jobs", limit=limit, open=open_only or None)
    found = sorted(found, key=lambda job: int(job["id"]))
    if session.json:
        session.print_json(found)
    elif not found:
        session.note("There is no job.")
    else:
        session.print("\n".join(table.lines(HEADER, [_row(job) for job in found], session.paint(), right="r")))


HEADER = ("job", "asked", "what", "outcome", "of", "by")


def _row(job: Json) -> tuple[table.Cell, ...]:
    outcome = (job["outcome"].replace("_", " "), _STYLE.get(job["outcome"], ""))
    return (str(job["id"]), times.clock(job["asked"]), _what(job), outcome, job["folded"] or job["subject"], job["by"])


def _what(job: Json) -> str:
    """Say what a job does: ``power on (force)``, ``image.import``."""
    if job["verb"] is None:
        return str(job["kind"])
    return f"power {job['verb']}{' (force)' if job['force'] else ''}"


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=click.IntRange(0))
@pass_session
def show_job(session: Session, job_id: int) -> None:
    """Show a job and what became of each node of it."""
    job = session.client().get(f"/v1/jobs/{job_id}")
    if session.json:
        session.print_json(job)
        return
    paint = session.paint()
    outcome = paint(job["outcome"].replace("_", " "), _STYLE.get(job["outcome"], ""))
    session.print(f"job {job['id']}: {_what(job)} {job['folded'] or job['subject']}: {outcome}")
    ended = f", ended {times.clock(job['ended'])}" if job["ended"] else ""
    session.print(f"asked {times.clock(job['asked'])} by {job['by']}{ended}")
    for line in _long_work(job):
        session.print(line)
    if job["tasks"]:
        rows: list[tuple[table.Cell, ...]] = [_task(task) for task in job["tasks"]]
        session.print("\n".join(["", *table.lines(("node", "step", "power", "reason", "way"), rows, paint)]))
        session.print("\n" + _line(session, job))


def _long_work(job: Json) -> list[str]:
    """Say how far long work is, what it made, or why it failed."""
    progress = job["progress"]
    lines = []
    if progress is not None and progress["phase"] and not job["ended"]:
        lines.append(f"{progress['phase']}: {amount(progress['done'], progress['total'], progress['unit'])}")
    lines += [job["reason"]] if job["reason"] else []
    lines += [f"hint: {job['hint']}"] if job["hint"] else []
    return lines + ([f"made {job['result']}"] if job["result"] else [])


def _line(session: Session, job: Json) -> str:
    """Fold what became of the nodes into a line."""
    return result.line(result.of_job(job), session.paint()) if job["verb"] else nodes_line(session, job)


def _task(task: Json) -> tuple[table.Cell, ...]:
    word = task["result"] or task["step"]
    step = (word, {"done": "green", "failed": "red"}.get(word, ""))
    return (task["name"], step, task["observed"], task["reason"], ", ".join(task["way"]))


@jobs.command("output")
@click.option("--follow", "-f", "following", is_flag=True, help="Go on until the job ends.")
@click.argument("job_id", metavar="ID", type=click.IntRange(0))
@pass_session
def show_output(session: Session, job_id: int, following: bool) -> None:
    """Show what the command of a job writes: image exec, scripts of image prepare. The last 1000 lines are kept."""
    hearing, endless = Hearing(session, job_id), follow.Deadline(None)
    told = hearing.ask(endless)
    while True:
        if session.json:
            session.print_json(told)
            flush()
        else:
            hearing.show(told)
        if told["ended"] or not following:
            return
        time.sleep(follow.PAUSE_S)
        told = hearing.ask(endless, follow.POLL_S)


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", type=click.IntRange(0))
@pass_session
def cancel_job(session: Session, job_id: int) -> None:
    """Cancel what a job has not begun; what is being switched goes on. Long work is undone, and ends a little later."""
    job = session.client().post(f"/v1/jobs/{job_id}/cancel")
    if session.json:
        session.print_json(job)
        return
    outcome = job["outcome"].replace("_", " ") if job["ended"] else "is asked to stop"
    told = f": {_line(session, job)}" if job["tasks"] else ""
    session.print(f"job {job['id']} {outcome}{told}")
