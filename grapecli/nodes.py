"""``grapecli node``: the slots and the nodes in them."""

from __future__ import annotations

import sys

import click

from grapecli import timeline, times, words
from grapecli.frame import Group, complete_nodes, join, nodes_argument, pass_session
from graped.errors import NetbootOff, NotFound
from graped.terminal import table
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json


LATE = {
    "set": ("grapecli.roots:set_nodes", "Set what nodes boot."),
    "role": ("grapecli.roles:role", "Set what nodes are in the Docker swarm."),
    "look": ("grapecli.look:look", "Look how far nodes answer now."),
    "trust": ("grapecli.trust:trust", "Trust nodes that boot from their own SD card."),
    "pending": ("grapecli.pending:pending", "List boards that no slot has."),
    "approve": ("grapecli.pending:approve", "Give a board that waits a slot."),
    "reject": ("grapecli.pending:reject", "Do not show a board any more."),
    "replace": ("grapecli.pending:replace", "Take a new board in the place of a broken one."),
    "reset": ("grapecli.roots:reset", "Give nodes fresh roots."),
    "snapshot": ("grapecli.roots:snapshot", "Keep the roots of nodes as they are."),
    "rollback": ("grapecli.roots:rollback", "Bring back older roots."),
    "drop": ("grapecli.roots:drop", "Give up older roots."),
    "identify": ("grapecli.identify:identify", "Have nodes blink their LED."),
    "log": ("grapecli.node_log:log", "Show what a node says while it boots and runs."),
    "quarantine": ("grapecli.recovery:quarantine", "Have recovery leave nodes alone."),
    "release": ("grapecli.recovery:release", "Release nodes from quarantine."),
    "recovery": ("grapecli.recovery:set_mode", "Set what is done about nodes in trouble."),
    "diff": ("grapecli.changes:node_diff", "Show what a node has changed."),
}


@click.group(cls=Group, late=LATE)
def node() -> None:
    """List and show nodes; set what they boot, and their roots."""


@node.command("list")
@nodes_argument(required=False)
@pass_session
def list_nodes(session: Session, nodeset: tuple[str, ...]) -> None:
    """List nodes: those of a node set, else every slot."""
    nodes = session.client().get("/v1/nodes", nodes=join(nodeset) if nodeset else None)
    if session.json:
        session.print_json(nodes)
        return
    rows: list[tuple[table.Cell, ...]] = []
    for one in nodes:
        power = one["power"]["observed"]
        style = {"on": "green", "off": "", "unknown": "yellow"}[power]
        stage = one["stage"] or ("-" if one["configured"] else "(empty)")
        fault = one["power"]["fault"]
        rows.append((one["name"], (power, style), stage, one["mac"] or "-", (fault["message"] if fault else "", "red")))
    session.print("\n".join(table.lines(("node", "power", "stage", "mac", "fault"), rows, session.paint())))


@node.command("show")
@click.argument("name", shell_complete=complete_nodes)
@pass_session
def show_node(session: Session, name: str) -> None:
    """Show all that is known of one node, and of its root."""
    one = session.client().get(f"/v1/nodes/{name}")
    root = _root_of(session, one)
    if session.json:
        session.print_json({**one, "root": root})
        return
    pairs = [*_pairs(one), *_root(root)]
    width = max(len(key) for key, _text in pairs)
    lines = [f"{key.ljust(width)}  {text}" for key, text in pairs]
    session.print("\n".join([*lines, *timeline.draw(one, times.now(), fine=sys.stdout.isatty())]))


def _root_of(session: Session, node: Json) -> Json | None:
    """Fetch the root of a node; None where it has none, or there is no netbooting."""
    try:
        root: Json = session.client().get(f"/v1/nodes/{node['name']}/root")
    except (NotFound, NetbootOff):
        return None
    return root


def _root(root: Json | None) -> list[tuple[str, str]]:
    """Lay out a root, and the older ones that a rollback can bring back: the first of them is what it takes unasked."""
    if root is None:
        return []
    now = f"{root['image']} by {root['strategy']}, generation {root['generation']}, made {times.clock(root['made'])}"
    pairs = [("root", now)]
    if root["fault"]:
        pairs.append(("fault", f"the root cannot be served: {root['fault']}"))
    kept = list(reversed(root["kept"]))
    width = max((len(one["label"]) for one in kept), default=0)
    for number, one in enumerate(kept):
        text = f"{one['label'].ljust(width)}  {one['image']}, {times.clock(one['made'])}"
        pairs.append(("kept" if number == 0 else "", text))
    return pairs


def _pairs(node: Json) -> list[tuple[str, str]]:
    """Lay out a node as words and their values."""
    power, stage = node["power"], node["stage"] or "unknown"
    wanted = power["desired"] or "nothing asked since graped adopted it"
    pairs = [
        ("node", node["name"] + ("" if node["configured"] else " (empty slot)")),
        ("place", f"stack {node['stack']} slot {node['slot']}"),
        ("mac", node["mac"] or "-"),
        ("watts", f"{node['watts']:g} expected"),
        ("power", f"{power['observed']}, since {times.clock(power['since'])}"),
        ("wanted", wanted),
        ("read", times.clock(power["read_at"])),
        *_served(node),
        ("stage", f"{stage}, since {times.clock(node['stage_since'])}"),
    ]
    if (facts := node.get("facts")) is not None:
        told = words.facts(facts) or "asked"
        pairs.append(("facts", f"{told}, at {times.clock(facts['at'])}; grapecli facts has all"))
    if node["stage_reason"]:
        pairs.append(("evidence", node["stage_reason"]))
    if node["late"]:
        pairs += [("late", node["late"]), ("hint", node["late_hint"])]
    if power["fault"] is not None:
        pairs.append(("fault", f"{power['fault']['message']}, since {times.clock(power['fault']['since'])}"))
        pairs += [("hint", power["fault"]["hint"])] if power["fault"]["hint"] else []
    pairs += _recovery(node.get("recovery"))  # a graped that is being upgraded tells none
    return [*pairs, ("job", str(node["job"]))] if node["job"] is not None else pairs


def _recovery(recovery: Json | None) -> list[tuple[str, str]]:
    """Say what is done about a node in trouble, or why it is left alone."""
    if recovery is None:
        return []
    if recovery["quarantine"]:
        return [("quarantine", recovery["quarantine"])]
    if recovery["step"] is None:
        return [("recovery", recovery["mode"])]
    step = recovery["step"].replace("_", " ")
    return [("recovery", f"{recovery['mode']}; {step}: {recovery['why'] or recovery['trouble']}")]


def _served(node: Json) -> list[tuple[str, str]]:
    """Say where a node boots from, and what it fetched for that."""
    if node["boot"] is None:
        return []
    boot = "from its own disk"
    if node["boot"] == "network":
        boot = f"over the network, image {node['image'] or 'none'}, root by {node['strategy']}"
    pairs = [("address", node["address"] or "-"), ("model", node["model"] or "not known"), ("boot", boot)]
    fetched = node["fetched"]
    if fetched["discovers"] or fetched["files"]:
        amount = f"{fetched['files']} files, {fetched['file_bytes'] / 1e6:.1f} MB"
        asked = fetched["discovers"]
        pairs.append(("fetched", f"{amount}, after {asked} DHCP request{'s' * (asked != 1)}"))
    return pairs
