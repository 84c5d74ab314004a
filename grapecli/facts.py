"""``grapecli facts``: what nodes say of themselves."""

from __future__ import annotations

import click

from grapecli import exits, follow, times, working
from grapecli.frame import Command, join, nodes_argument, pass_session, span
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

ASK_S = 60.0
HOT_CELSIUS = 80.0  # a Raspberry Pi lowers its clock from here on
HEADER = ("node", "model", "kernel", "load", "temp", "throttled", "memory", "disk", "up for", "asked")


@click.command(cls=Command)
@click.option("--refresh", is_flag=True, help="Ask the nodes now; else what was gathered is shown, with its age.")
@click.option("--timeout", type=span, default=ASK_S, metavar="S", help="With --refresh: give up after so long.")
@nodes_argument(required=False)
@pass_session
def facts(session: Session, nodeset: tuple[str, ...], refresh: bool, timeout: float) -> int:
    """Show model, kernel, load, temperature, throttling, memory, disks of nodes: of a node set, else of all.

    They are gathered over SSH, without an agent, when a node comes up and every ssh.facts_s seconds. One node is shown
    with everything, and why it does not tell what is missing.
    """
    nodes = join(nodeset) if nodeset else "@all"
    code = _refresh(session, nodes, timeout) if refresh else exits.OK
    found = session.client().get("/v1/facts", nodes=nodes)
    if session.json:
        session.print_json(found)
    elif len(found) == 1:
        session.print("\n".join(page(found[0])))
    else:
        _table(session, found)
    return code


def _refresh(session: Session, nodes: str, timeout: float) -> int:
    """Have nodes asked, and wait for it; who did not answer is told on stderr. Raises: TimedOut."""
    job = session.client().post("/v1/facts/refresh", {"nodes": nodes})
    view = working.choose(session)
    try:
        for now in follow.job(session.client(), job, follow.Deadline(timeout)):
            job = now
            working.show(job, view)
    finally:
        view.close()
    for task in job["tasks"]:
        if task["result"] != "done":
            session.note(f"{task['name']}: {task['reason'] or task['result']}")
    return exits.of_outcome(job["outcome"])


def _table(session: Session, found: list[Json]) -> None:
    rows: list[tuple[table.Cell, ...]] = [_row(one, times.now()) for one in found]
    session.print("\n".join(table.lines(HEADER, rows, session.paint(), right="...rr....r")))


def _row(one: Json, now: str) -> tuple[table.Cell, ...]:
    if one["at"] is None:
        why = f"could not be asked: {one['error']}" if one["error"] else "not asked yet"
        return (one["name"], (why, "yellow"), *[""] * (len(HEADER) - 2))
    celsius, limits = one["temperature_celsius"], one["throttled"]
    heat = "" if celsius is None else f"{celsius:.1f} °C"
    root = next(iter(one["disks"]), None)
    return (
        one["name"],
        (one["model"] or one["arch"] or "").removeprefix("Raspberry "),
        one["kernel"] or "",
        f"{one['load'][0]:.2f}" if one["load"] else "",
        (heat, "red" if celsius is not None and celsius >= HOT_CELSIUS else ""),
        (throttling(limits), "red" if limits else ""),
        _share(_used(one), one["memory_bytes"]),
        _share(root["used_bytes"], root["size_bytes"]) if root else "",
        "" if one["uptime_s"] is None else times.span(one["uptime_s"]),
        (_age(one, now), "yellow" if one["error"] else ""),
    )


def page(one: Json, now: str | None = None) -> list[str]:
    """Lay out all facts of one node."""
    now = now or times.now()
    pairs = [("node", one["name"])]
    if one["at"] is not None:
        pairs += [*_machine(one), *_state(one), ("asked", f"{times.clock(one['at'], now)}, {_age(one, now)} ago")]
    pairs += [(f"no {name}", why) for name, why in one["missing"].items()]
    if one["error"]:
        pairs.append(("failed", f"{one['error']}, at {times.clock(one['tried'], now)}"))
        pairs += [("hint", one["hint"])] if one["hint"] else []
    elif one["at"] is None:
        pairs.append(("asked", "never; --refresh asks now"))
    width = max(len(key) for key, _ in pairs)
    return [f"{key.ljust(width)}  {text}" for key, text in pairs]


def _machine(one: Json) -> list[tuple[str, str]]:
    cpus = "" if one["cpus"] is None else f"{one['cpus']} CPUs"
    kernel = " ".join(word for word in (one["kernel"], one["arch"]) if word)
    pairs = [("model", one["model"]), ("serial", one["serial"]), ("os", one["os"]), ("kernel", kernel), ("cpus", cpus)]
    return [(key, text) for key, text in pairs if text]


def _state(one: Json) -> list[tuple[str, str]]:
    pairs = []
    if one["load"]:
        pairs.append(("load", ", ".join(f"{value:.2f}" for value in one["load"]) + " (1, 5, 15 min)"))
    if one["temperature_celsius"] is not None:
        pairs.append(("temp", f"{one['temperature_celsius']:.1f} °C ({one['temperature_source']})"))
    if one["throttled"] is not None:
        before = throttling(one["throttled_before"])
        pairs.append(("throttled", f"{throttling(one['throttled'])}; since boot: {before} ({one['throttled_source']})"))
    if one["memory_bytes"] is not None:
        pairs.append(("memory", _share(_used(one), one["memory_bytes"])))
    for disk in one["disks"]:
        pairs.append(("disk", f"{disk['mount']}  {_share(disk['used_bytes'], disk['size_bytes'])}  {disk['source']}"))
    if one["booted"] is not None:
        up = "" if one["uptime_s"] is None else f", up for {times.span(one['uptime_s'])} then"
        pairs.append(("booted", times.clock(one["booted"]) + up))
    if one["boot_id"]:
        pairs.append(("boot id", one["boot_id"]))
    return pairs


def throttling(limits: list[str] | None) -> str:
    """Say what holds a board back."""
    return "" if limits is None else ", ".join(limits) or "no"


def _used(one: Json) -> int | None:
    total, free = one["memory_bytes"], one["memory_free_bytes"]
    return None if total is None or free is None else int(total - free)


def _share(used: int | None, total: int | None) -> str:
    if total is None:
        return ""
    if used is None:
        return working.amount(total, None, "bytes")
    share = f" ({100 * used / total:.0f}%)" if total else ""
    return working.amount(used, total, "bytes") + share


def _age(one: Json, now: str) -> str:
    age_s = times.age_s(one["at"], now)
    return "" if age_s is None else times.span(age_s)
