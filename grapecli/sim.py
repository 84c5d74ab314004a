"""``grapecli sim``: break and turn things in the simulated rack."""

from __future__ import annotations

import click

from grapecli.frame import Group, pass_session, span
from grapecli.times import span as span_words
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from grapecli.words import Json

KINDS = ("nack", "timeout", "flip", "stuck", "hang", "missing", "brownout")
OPS = (
    "send_byte",
    "receive_byte",
    "write_byte_data",
    "read_byte_data",
    "write_word_data",
    "read_word_data",
    "quick",
)


@click.group(cls=Group)
def sim() -> None:
    """Play with the simulated rack; only a graped that runs with --simulate has one."""


@sim.group("fault", cls=Group)
def fault() -> None:
    """Inject faults into the rack, list and clear them."""


@fault.command("add", short_help="Inject a fault.")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--stack", type=int, metavar="N", help="Of this stack (default: every stack).")
@click.option("--bus", type=int, metavar="N", help="On this bus (default: every bus).")
@click.option("--address", metavar="ADDRESS", help="Of this I2C address, e.g. 0x38 (default: every address).")
@click.option(
    "--op",
    type=click.Choice(OPS),
    metavar="OP",
    help=f"On this kind of transaction (default: every kind): {', '.join(OPS)}.",
)
@click.option("--probability", type=click.FloatRange(0, 1), metavar="P", default=1.0, help="Hit so often (default: 1).")
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many hits, then gone.")
@click.option("--for", "for_s", type=span, metavar="DURATION", help="So long, then gone.")
@click.option("--bit", type=click.IntRange(0, 15), metavar="N", help="flip, stuck: this bit (default: a random one).")
@click.option("--level", type=click.IntRange(0, 1), metavar="0|1", help="stuck: at this level.")
@pass_session
def add(session: Session, /, address: str | None, **fields: Any) -> None:
    """Inject a fault: nack, timeout, flip, stuck, hang, missing or brownout."""
    body = {key: value for key, value in fields.items() if value is not None}
    if address is not None:
        body["address"] = _address(address)
    added = session.client().post("/v1/sim/faults", body)
    if session.json:
        session.print_json(added)
    else:
        number = f"fault {added['id']}: " if added["id"] else ""  # a brownout happens at once, and is over
        session.print(f"{number}{_words(added)}")


def _address(text: str) -> int:
    """Read an I2C address in any notation."""
    try:
        return int(text, 0)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an address such as 0x38 or 56.", param_hint="--address") from None


@fault.command("list")
@pass_session
def list_faults(session: Session) -> None:
    """List the faults that are in force."""
    faults = session.client().get("/v1/sim/faults")
    if session.json:
        session.print_json(faults)
    elif not faults:
        session.note("No fault is in force.")
    else:
        rows: list[tuple[table.Cell, ...]] = [(str(one["id"]), _words(one)) for one in faults]
        session.print("\n".join(table.lines(("id", "fault"), rows, session.paint(), right="r")))


def _words(fault: Json) -> str:
    """Say a fault with all that narrows it."""
    words = [str(fault["kind"])]
    for key in ("stack", "bus", "address", "op", "count", "bit", "level"):
        if fault.get(key) is not None:
            words.append(f"{key} {hex(fault[key]) if key == 'address' else fault[key]}")
    if fault.get("for_s") is not None:
        words.append(f"for {span_words(fault['for_s'])}")
    if fault.get("probability", 1.0) != 1.0:
        words.append(f"probability {fault['probability']:g}")
    return ", ".join(words)


@fault.command("clear")
@click.argument("fault_id", metavar="[ID]", type=int, required=False)
@pass_session
def clear(session: Session, fault_id: int | None) -> None:
    """Clear one fault, or all of them."""
    answer = session.client().delete("/v1/sim/faults" if fault_id is None else f"/v1/sim/faults/{fault_id}")
    if session.json:
        session.print_json(answer if answer is not None else {})
    else:
        session.print("All faults are cleared." if fault_id is None else f"Fault {fault_id} is cleared.")


@sim.command("display")
@pass_session
def display(session: Session) -> None:
    """Show the text on the simulated LCD, and its two LEDs."""
    shown = session.client().get("/v1/sim/display")
    if session.json:
        session.print_json(shown)
        return
    paint = session.paint()
    width = max((len(line) for line in shown["lines"]), default=0)
    edge = f"+{'-' * width}+"
    leds = [f"{name} {'on' if shown[name] else 'off'}" for name in ("red", "green")]
    styles = [name if shown[name] else "dim" for name in ("red", "green")]
    session.print("\n".join([edge, *(f"|{line.ljust(width)}|" for line in shown["lines"]), edge]))
    session.print("  ".join(paint(led, style) for led, style in zip(leds, styles, strict=True)))


@sim.command("knob")
@click.argument("movement", type=click.Choice(("left", "right", "press")))
@click.argument("clicks", type=click.IntRange(1, 40), default=1)
@pass_session
def knob(session: Session, movement: str, clicks: int) -> None:
    """Turn the simulated knob by some clicks, or press it."""
    turn = {"left": -clicks, "right": clicks, "press": 0}[movement]
    answer = session.client().post("/v1/sim/knob", {"turn": turn, "press": movement == "press"})
    if session.json:
        session.print_json(answer if answer is not None else {})
