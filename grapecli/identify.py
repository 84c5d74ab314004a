"""``grapecli node identify``: which of them is it?"""

from __future__ import annotations

import click

from grapecli import working
from grapecli.frame import Command, join, nodes_argument, pass_session, span
from graped.terminal.session import Session


@click.command("identify", cls=Command)
@click.option("--seconds", type=span, default=10.0, show_default=True, metavar="S", help="Blink for so long.")
@working.options
@nodes_argument()
@pass_session
def identify(session: Session, nodeset: tuple[str, ...], seconds: float, wait: bool, timeout: float | None) -> int:
    """Have nodes blink their activity LED, so that they can be found in the rack.

    What the LED did before it does again at the end, also when the job is cancelled or the connection breaks.
    """
    if not 1 <= seconds <= 600:
        raise click.BadParameter("between 1 s and 10 min", param_hint="--seconds")
    job = session.client().post("/v1/nodes/identify", {"nodes": join(nodeset), "seconds": seconds})
    return working.finish(session, job, wait=wait, timeout=timeout)
