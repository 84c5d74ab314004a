"""``grapecli image rollout|rollouts``: nodes moved to an image wave after wave."""

from __future__ import annotations

import click

from grapecli import times, waves, working
from grapecli.frame import Command, join, nodes_argument, pass_session
from grapecli.images import complete_images
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

STYLES = {"done": "green", "running": "yellow", "stopped": "red"}


@click.command("rollout", cls=Command)
@click.argument("image", metavar="[IMAGE]", required=False, shell_complete=complete_images)
@click.option("--canary", type=click.IntRange(0, 1000), default=1, show_default=True, metavar="N",
              help="So many nodes go first; 0: none.")  # fmt: skip
@click.option("--wave", type=click.IntRange(1, 1000), default=4, show_default=True, metavar="N",
              help="So many nodes go together then.")  # fmt: skip
@waves.health_options
@click.option("--off", "when_off", type=click.Choice(("skip", "move")), default="skip", show_default=True,
              help="Nodes that are off: leave them, or give them the image for their next boot.")  # fmt: skip
@click.option("--resume", is_flag=False, flag_value="last", metavar="[ID]",
              help="Go on with a rollout that was interrupted or cancelled (default: the last such one).")  # fmt: skip
@click.option("--dry-run", "-n", is_flag=True, help="Show the waves; do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@working.options
@nodes_argument(required=False)
@pass_session
def rollout(
    session: Session,
    image: str | None,
    nodeset: tuple[str, ...],
    canary: int,
    wave: int,
    health: str,
    health_timeout: float,
    when_off: str,
    resume: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    """Move nodes to an image, wave after wave, and back where it does not boot.

    Each node of a wave gets a new root beside the one it has, then the wave is cycled, through guards and soft-off. It
    has to be up within the deadlines of netbooting, with another boot than before, and to pass the health command.
    Where one of them does not, the whole wave goes back to the very roots that it had, with all that was changed in
    them, is cycled, and has to be up again; later waves are not begun.

    Ctrl-C ends the wait, not the rollout. grapecli jobs cancel ID lets the wave that has begun end, and begins none.
    After a restart of graped nothing goes on by itself: --resume does, and looks first at each node in the middle.
    """
    if resume is not None:
        found = _unfinished(session, resume, image, nodeset)
        return _resume(session, found, dry_run=dry_run, yes=yes, wait=wait, timeout=timeout)
    if not image or not nodeset:
        raise click.UsageError("Name an image and nodes: grapecli image rollout IMAGE NODESET.")
    body: Json = {
        "image": image, "canary": canary, "wave": wave, "health": health, "health_s": health_timeout,
        "when_off": when_off,
    }  # fmt: skip
    return waves.begin(
        session, "/v1/images/rollout", body, nodeset, dry_run=dry_run, yes=yes, wait=wait, timeout=timeout
    )


@click.command("rollouts", cls=Command)
@click.argument("number", metavar="[ID]", required=False, type=click.IntRange(0))
@pass_session
def rollouts(session: Session, number: int | None) -> None:
    """List rollouts and reboots, the newest last; with ID, show what became of each node of one."""
    if number is not None:
        found = session.client().get(f"/v1/rollouts/{number}")
        if session.json:
            session.print_json(found)
        else:
            session.print(waves.told(session, found))
        return
    known = session.client().get("/v1/rollouts")
    if session.json:
        session.print_json(known)
        return
    if not known:
        session.note("There was no rollout and no reboot yet.")
        return
    rows: list[tuple[table.Cell, ...]] = [
        (
            str(one["id"]), times.clock(one["asked"]), one["image"] or "reboot", one["folded"],
            f"{one['wave']} of {one['waves']}", (one["status"], STYLES.get(one["status"], "yellow")), one["reason"],
        )
        for one in known
    ]  # fmt: skip
    header = ("id", "asked", "what", "nodes", "wave", "is", "why")
    session.print("\n".join(table.lines(header, rows, session.paint(), right="r")))


def _unfinished(session: Session, which: str, image: str | None, nodeset: tuple[str, ...]) -> Json:
    """Find what is to go on: by its id, else the last one; what is named besides has to be what was asked for then."""
    if which != "last" and not which.isdecimal():
        raise click.UsageError(f"--resume takes the id of a rollout, not {which!r}.")
    client = session.client()
    known = client.get("/v1/rollouts") if which == "last" else [client.get(f"/v1/rollouts/{which}")]
    if which == "last":
        known = [one for one in known if one["status"] in ("interrupted", "cancelled")]
    if image:
        known = [one for one in known if image in (one["image"], str(one["image"]).partition("@")[0])]
    if nodeset:
        names = sorted(client.get("/v1/nodeset", nodes=join(nodeset))["names"])
        known = [one for one in known if sorted(node["name"] for node in one["nodes"]) == names]
    if not known:
        like = " of this image and these nodes" if image or nodeset else ""
        raise click.UsageError(f"No rollout{like} was interrupted or cancelled: grapecli image rollouts")
    found: Json = known[-1]
    return found


def _resume(session: Session, found: Json, *, dry_run: bool, yes: bool, wait: bool, timeout: float | None) -> int:
    """Go on with one, after asking as at its beginning."""
    if dry_run:
        session.print_json(found) if session.json else session.print(waves.told(session, found))
        return 0
    waves.ask_to_resume(session, found, yes=yes)
    job = session.client().post(f"/v1/rollouts/{found['id']}/resume", {})
    return waves.see(session, job, wait=wait, timeout=timeout)
