"""``grapecli version``."""

from __future__ import annotations

import click

from grapecli.frame import Command, pass_session
from graped.terminal.groups import own_version
from graped.terminal.session import Session


@click.command(cls=Command)
@pass_session
def version(session: Session) -> None:
    """Show the versions of grapecli and graped."""
    own = own_version()
    if not session.json:
        session.print(f"grapecli {own}")
    daemon = session.client().get("/v1/version")
    if session.json:
        session.print_json({"grapecli": own, "graped": daemon})
        return
    kind = ", simulated" if daemon["simulated"] else ""
    session.print(f"graped   {daemon['version']} (API {daemon['api']}{kind})")
