"""``grapecli node pending|approve|reject|replace``: boards that nobody knows, and boards in place of others."""

from __future__ import annotations

import click

from grapecli.enrol import TIMEOUT_S, look
from grapecli.frame import Command, complete_nodes, pass_session, span
from graped.terminal import table
from graped.terminal.asking import confirm
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json


@click.command("pending", cls=Command)
@click.option("--all", "-a", "all_of_them", is_flag=True, help="Those that were rejected, too.")
@pass_session
def pending(session: Session, all_of_them: bool) -> None:
    """List boards that asked for an address and that no slot has."""
    found = session.client().get("/v1/pending", all="true" if all_of_them else None)
    if session.json:
        session.print_json(found)
        return
    if not found:
        session.note("Nobody waits for a slot.")
        return
    rows: list[tuple[table.Cell, ...]] = [_row(one) for one in found]
    header = ("mac", "maker", "model", "serial", "asks as", "asked", "first", "last", "")
    for line in table.lines(header, rows, session.paint(), right=".....r"):
        session.print(line)


@click.command("approve", cls=Command)
@click.argument("mac")
@click.argument("slot", shell_complete=complete_nodes)
@pass_session
def approve(session: Session, mac: str, slot: str) -> None:
    """Give a board that waits the slot in which it sits. Which one that is, grapecli enrol finds out by itself."""
    _seated(session, session.client().post(f"/v1/pending/{_path(mac)}/approve", {"node": slot}))


@click.command("reject", cls=Command)
@click.argument("mac")
@pass_session
def reject(session: Session, mac: str) -> None:
    """Do not show a board any more; grapecli node pending --all does."""
    done = session.client().post(f"/v1/pending/{_path(mac)}/reject")
    if session.json:
        session.print_json(done)
    else:
        session.print(f"{done['mac']}: rejected")


@click.command("replace", cls=Command)
@click.option("--mac", metavar="MAC", help="The new board's, where it is known.")
@click.option("--timeout", type=span, default=TIMEOUT_S, metavar="S",
              help="How long the new board may take to be heard (default: 60).")  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.argument("node", shell_complete=complete_nodes)
@pass_session
def replace(session: Session, node: str, mac: str | None, timeout: float, yes: bool) -> int:
    """Take a new board in the place of a broken one: the slot keeps its name, image and address.

    The board that waits is taken if it is the only one; else the slot is switched on, and graped listens who asks.
    """
    if mac is None:
        waiting = session.client().get("/v1/pending")
        if len(waiting) == 1 and (yes or session.terminal):
            one = waiting[0]
            line = f"{one['mac']}  {one['maker']}  last heard {one['last_seen']}".rstrip()
            confirm(session, "One board waits for a slot", [line], f"Does it sit in {node} now?", yes=yes)
            mac = one["mac"]
    if mac is None:
        return look(
            session, node, dry_run=False, accept_moves=False, yes=yes, skip_running=False, timeout=timeout
        )  # fmt: skip
    _seated(session, session.client().post(f"/v1/nodes/{node}/mac", {"mac": _path(mac)}))
    return 0


def _row(one: Json) -> tuple[table.Cell, ...]:
    first, last = (one[key].replace("T", " ").partition(".")[0] for key in ("first_seen", "last_seen"))
    vendor = one["vendor"].partition(":")[0]
    end: table.Cell = ("rejected", "yellow") if one["rejected"] else ""
    return (one["mac"], one["maker"] or "-", one["model"] or "-", one["serial"] or "-", vendor or "-",
            str(one["count"]), first, last, end)  # fmt: skip


def _seated(session: Session, done: Json) -> None:
    if session.json:
        session.print_json(done)
        return
    was = f", in place of {done['was']}" if done["was"] and done["was"] != done["mac"] else ""
    session.print(f"{done['name']}: {done['mac']}{was}")
    session.note(f"written: {done['file']}")


def _path(mac: str) -> str:
    """Write a MAC address as the API takes it. Raises: click.BadParameter."""
    digits = mac.replace(":", "").replace("-", "").replace(".", "").lower()
    if len(digits) != 12 or set(digits) - set("0123456789abcdef"):
        raise click.BadParameter(f"{mac!r} is no MAC address such as b8:27:eb:2c:c0:04.")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
