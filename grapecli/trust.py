"""``grapecli node trust``: nodes that boot from their own SD card, and bring host keys of their own."""

from __future__ import annotations

import sys

import click

from grapecli import exits, working
from grapecli.fold import fold
from grapecli.frame import Command, join, nodes_argument, pass_session
from graped.terminal import table
from graped.terminal.asking import ask
from graped.terminal.failure import Refused
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

STATES = {
    "new": ("not known yet", ""),
    "same": ("as pinned", "green"),
    "changed": ("ANOTHER KEY THAN THE PINNED ONE", "red"),
    "silent": ("no key", "red"),
}


@click.command("trust", cls=Command)
@click.option("--user", default="root", show_default=True, metavar="USER", help="Who logs in there this once.")
@click.option("--fingerprint", "fingerprints", multiple=True, metavar="SHA256:...",
              help="Trust exactly this host key, unasked; once for each node.")  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Do not ask about keys that are not known yet.")
@click.option("--ask-password", "-k", is_flag=True, help="Ask for the password even where a key would do (sudo).")
@click.option("--password-stdin", is_flag=True, help="Read the user's password from stdin.")
@working.options
@nodes_argument()
@pass_session
def trust(
    session: Session,
    nodeset: tuple[str, ...],
    user: str,
    fingerprints: tuple[str, ...],
    yes: bool,
    ask_password: bool,
    password_stdin: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    """Trust nodes with an SD card of their own: pin the host key they show, and have them let graped in.

    Compare each fingerprint with what the node says of itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. The
    password is asked for here where one is needed, used once and kept nowhere. Run it again for a node that was
    installed anew: nothing is done on a node whose host key has changed until you do.
    """
    shown = session.client().post("/v1/nodes/trust/look", {"nodes": join(nodeset), "user": user})
    found = [one for one in shown if one["state"] != "silent"]
    if not session.json:
        _show(session, shown)
    _accept(session, found, fingerprints, yes=yes)
    closed = [one["name"] for one in found if not one["lets_us_in"]]
    password = _password(session, user, closed, stdin=password_stdin, always=ask_password)
    body = {
        "nodes": [{"name": one["name"], "fingerprint": one["fingerprint"]} for one in found],
        "user": user,
        "password": password,
    }
    code = working.finish(session, session.client().post("/v1/nodes/trust", body), wait=wait, timeout=timeout)
    return code if len(found) == len(shown) else code or exits.FAILED


def _show(session: Session, shown: list[Json]) -> None:
    """List what the nodes show, on stderr: what stands on stdout is what was done."""
    rows: list[tuple[table.Cell, ...]] = []
    for one in shown:
        words, style = STATES[one["state"]]
        rows.append((one["name"], one["address"] or "-", (words, style), one["fingerprint"] or one["why"]))
        if one["state"] == "changed":
            rows.append(("", "", "pinned is", one["pinned"]))
    for line in table.lines(("node", "address", "host key", "fingerprint"), rows, session.paint(sys.stderr)):
        session.note(line)


def _accept(session: Session, found: list[Json], fingerprints: tuple[str, ...], *, yes: bool) -> None:
    """See that somebody vouches for each key. Raises: Refused."""
    if not found:
        raise Refused("None of these nodes shows a host key.", hint="Are they on and up? grapecli status")
    if fingerprints:
        others = [one["name"] for one in found if one["fingerprint"] not in fingerprints]
        if others:
            raise Refused(f"{fold(others)} shows none of the fingerprints that were given. Nothing was trusted.")
        return
    changed = [one["name"] for one in found if one["state"] == "changed"]
    unsure = [one["name"] for one in found if one["state"] == "new"]
    if not changed and (yes or not unsure):
        return
    if not session.terminal:
        which = fold(changed or unsure)
        raise Refused(
            f"Nobody vouches for the host key of {which}, and there is no terminal to ask at.",
            hint="Give --fingerprint, once for each node." if changed else "Give --fingerprint, or --yes.",
        )
    if not ask(f"Are these the keys of {fold(changed + unsure)}?"):
        raise Refused("The answer was not yes. Nothing was trusted.")


def _password(session: Session, user: str, closed: list[str], *, stdin: bool, always: bool) -> str | None:
    """Get the password where one is needed. Raises: Refused."""
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    if not closed and not always:
        return None
    if not session.terminal:
        raise Refused(
            f"{fold(closed)} does not let the cluster's key in as {user}, and there is no terminal to ask at.",
            hint="Give --password-stdin, or put the key there: /var/lib/grape/ssh/cluster_key.pub",
        )
    where = f" on {fold(closed)}" if closed else ""
    word: str = click.prompt(f"Password of {user}{where}", hide_input=True, err=True)
    return word
