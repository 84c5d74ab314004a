"""What rollouts and reboots have in common: planned, asked about, followed, told."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from grapecli import exits, follow, progress
from grapecli.fold import fold
from grapecli.frame import join, span
from graped.errors import TimedOut, Unreachable
from graped.terminal import asking
from graped.terminal.failure import Interrupted
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from grapecli.words import Json

GOOD = ("passed", "moved", "skipped")
BAD = ("failed", "back", "stuck")
STYLES = {"passed": "green", "moved": "green"} | dict.fromkeys(BAD, "red")
SHOWN = {
    "preparing": "being prepared", "ready": "waits for its wave", "cycling": "power cycle", "checking": "health check",
    "stopping": "goes back: power off", "returning": "goes back: former root", "returned": "goes back: waits",
    "starting": "goes back: power on", "rising": "goes back: boots",
}  # fmt: skip


def health_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a node has to pass."""
    for option in (
        click.option("--health-timeout", type=span, default="30", show_default=True, metavar="S",
                     help="How long the health command may take to pass; it is tried again until then."),
        click.option("--health", default="", metavar="CMD", help="A command that has to end well on each node."),
    ):  # fmt: skip
        function = option(function)
    return function


def begin(
    session: Session,
    path: str,
    body: Json,
    nodeset: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    """Plan, ask, begin, and follow where that is wanted. Returns the exit code."""
    client = session.client()
    planned = client.post(f"{path}/plan", {**body, "nodes": join(nodeset)})
    if dry_run:
        if session.json:
            session.print_json(planned)
        else:
            session.print("\n".join([*plan_lines(planned), "Nothing was done."]))
        return exits.OK
    if planned["image"] or len(planned["cut"]) > 1:
        _ask(session, planned, yes=yes)
    job = client.post(path, {**body, "nodes": planned["names"]})
    return see(session, job, wait=wait, timeout=timeout)


def plan_lines(planned: Json) -> list[str]:
    """Lay out the waves."""
    lines = [f"image {planned['image']}"] if planned["image"] else []
    lines += [f"wave {number}: {wave['folded']}" for number, wave in enumerate(planned["waves"], 1)]
    lines += [f"off, for their next boot: {fold(planned['moved'])}"] if planned["moved"] else []
    why: dict[str, list[str]] = {}
    for one in planned["skipped"]:
        why.setdefault(one["why"], []).append(one["name"])
    return lines + [f"left out: {fold(names)} ({reason})" for reason, names in why.items()]


def _ask(session: Session, planned: Json, *, yes: bool) -> None:
    count, waves = len(planned["cut"]), len(planned["waves"])
    where = f" and boot {planned['image']}" if planned["image"] else ""
    how = "all at once" if waves == 1 else f"in {waves} waves"
    what = f"{count} running node{'' if count == 1 else 's'} will lose power{where}, {how}: {fold(planned['cut'])}"
    if not planned["cut"]:
        what = f"{fold(planned['moved'])} will boot {planned['image']}"
    asking.confirm(session, what, plan_lines(planned), "Begin?", yes=yes)


def ask_to_resume(session: Session, found: Json, *, yes: bool) -> None:
    """Say what is left, and ask. Raises: Refused."""
    left = [node["name"] for node in found["nodes"] if node["step"] not in GOOD + BAD]
    what = f"rollout {found['id']} goes on: {fold(left) if left else 'nothing is left'} may lose power"
    asking.confirm(session, what, told(session, found).splitlines(), "Go on?", yes=yes)


def see(session: Session, job: Json, *, wait: bool, timeout: float | None) -> int:
    """See a rollout to its end, or only say that it was accepted. Returns the exit code.

    Raises: TimedOut, Unreachable, Interrupted; the rollout goes on.
    """
    if not wait:
        if session.json:
            session.print_json(job)
        else:
            session.print(f"job {job['id']} accepted: {job['kind']} {job['subject']}")
        return exits.OK
    client, view, deadline = session.client(), progress.choose(session), follow.Deadline(timeout)
    found: Json = {}
    path = f"/v1/rollouts/{job['id']}"
    try:
        for now in follow.job(client, job, deadline, view.every_s):
            job = now
            found = follow.ask(client, deadline, path)
            view.show(places(found))
    except KeyboardInterrupt:
        raise Interrupted(f"Job {job['id']} goes on.", hint=follow.job_hint(job)) from None
    except (TimedOut, Unreachable):
        if session.json:
            session.print_json({**job, "rollout": found})
        raise
    finally:
        view.close()
    return _ended(session, job, found)


def _ended(session: Session, job: Json, found: Json) -> int:
    if session.json:
        session.print_json({**job, "rollout": found})
        return exits.of_outcome(job["outcome"])
    session.print(told(session, found))
    if job["outcome"] != "done":
        paint, word = session.paint(sys.stderr), found["status"]
        why = f": {job['reason']}" if job["reason"] else ""
        session.note(paint(f"{'rollout' if found['image'] else 'reboot'} {found['id']} {word}{why}", "red"))
        hint = f"grapecli image rollout --resume {found['id']}" if word in ("interrupted", "cancelled") else job["hint"]
        if hint:
            session.note(f"  hint: {hint}")
    return exits.of_outcome(job["outcome"])


def told(session: Session, found: Json) -> str:
    """Fold what became of each node, or where it is: ``passed: worker-0-[0-3]``."""
    groups: dict[tuple[str, str], list[str]] = {}
    for node in found["nodes"]:
        groups.setdefault((node["step"], node["reason"]), []).append(node["name"])
    paint, lines = session.paint(), []
    for (step, reason), names in groups.items():
        word = "not begun" if step == "waiting" else step
        why = f" ({reason})" if reason else ""
        lines.append(f"{paint(word + ':', STYLES.get(step, 'yellow'))} {fold(names)}{why}")
    return "\n".join(lines)


def places(found: Json) -> dict[str, progress.Place]:
    """Place each node for the live view."""
    return {node["name"]: _place(node) for node in found["nodes"]}


def _place(node: Json) -> progress.Place:
    step = node["step"]
    if step in BAD:
        return progress.Place(step, "", node["reason"], "bad")
    if step in GOOD:
        return progress.Place(step, "", node["reason"], "good")
    if step == "waiting":
        return progress.Place("queued", "", f"wave {node['wave']}")
    if step == "booting":
        return progress.Place(str(node["stage"] or "booting"), "", "")
    return progress.Place(SHOWN.get(str(step), str(step)), "", node["reason"])
