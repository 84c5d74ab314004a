"""``grapecli reboot``: nodes through a power cycle and up again, all at once or so many at a time."""

from __future__ import annotations

import click

from grapecli import waves, working
from grapecli.frame import Command, nodes_argument, pass_session
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json


@click.command("reboot", cls=Command)
@click.option("--rolling", type=click.IntRange(1, 1000), metavar="N", help="So many at a time (default: all at once).")
@click.option("--failures", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="K",
              help="Stop after the wave in which the Kth node failed.")  # fmt: skip
@waves.health_options
@click.option("--dry-run", "-n", is_flag=True, help="Show the waves; do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@working.options
@nodes_argument()
@pass_session
def reboot(
    session: Session,
    nodeset: tuple[str, ...],
    rolling: int | None,
    failures: int,
    health: str,
    health_timeout: float,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    """Reboot nodes: a power cycle through guards and soft-off, until each is up again.

    That a node has started again is seen by its boot id, where graped can log in. Nodes that are off are left alone.
    With --rolling N, the next N are begun when all of those before them came back; what failed is left as it is.
    """
    body: Json = {"rolling": rolling, "failures": failures, "health": health, "health_s": health_timeout}
    return waves.begin(session, "/v1/reboot", body, nodeset, dry_run=dry_run, yes=yes, wait=wait, timeout=timeout)
