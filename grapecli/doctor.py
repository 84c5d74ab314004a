"""``grapecli doctor``: what keeps nodes from booting, and what to do about it."""

from __future__ import annotations

import click

from grapecli import exits
from grapecli.frame import Command, pass_session
from graped.terminal.session import Session

LOOK_S = 120.0  # it waits for answers of the network
_DOTS = {"ok": "ok", "warning": "degraded", "failed": "fault", "skipped": "empty"}


@click.command(cls=Command)
@pass_session
def doctor(session: Session) -> int:
    """Look at everything a boot needs: servers, exports, space, network, buses, clock. Nothing is changed.

    Exit code 1 where something failed.
    """
    session.timeout_s = LOOK_S
    checks = session.client().get("/v1/doctor")
    failed = any(check["state"] == "failed" for check in checks)
    if session.json:
        session.print_json(checks)
        return exits.FAILED if failed else exits.OK
    paint = session.paint()
    width = max((len(check["name"]) for check in checks), default=0)
    for check in checks:
        state = "" if check["state"] == "ok" else f"{check['state']}: "
        session.print(f"{paint.dot(_DOTS[check['state']])} {check['name'].ljust(width)}  {state}{check['message']}")
        if check["hint"] and check["state"] != "ok":
            session.print(f"  {' ' * width}  {paint('hint: ' + check['hint'], 'dim')}")
    return exits.FAILED if failed else exits.OK
