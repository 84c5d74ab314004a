"""``grapecli status``: the whole cluster on one page."""

from __future__ import annotations

import click

from grapecli import times, words
from grapecli.frame import Command, pass_session
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json
    from graped.terminal.paint import Paint

STATE_STYLE = {"ok": "green", "degraded": "yellow", "starting": "yellow", "missing": "red", "unknown": "yellow"}


@click.command(cls=Command)
@pass_session
def status(session: Session) -> None:
    """Show stacks, slots, nodes, meters and faults, and how fresh all that is."""
    answer = session.client().get("/v1/status")
    if session.json:
        session.print_json(answer)
    else:
        session.print("\n".join(page(answer, session.paint())))


def page(status: Json, paint: Paint) -> list[str]:
    """Lay out a Status: a heading, each stack with its slots, the daemon's own faults."""
    lines = _heading(status, paint)
    width = max((len(node["name"]) for node in status["nodes"]), default=0)
    by_stack: dict[int, list[Json]] = {}
    for node in status["nodes"]:
        by_stack.setdefault(node["stack"], []).append(node)
    for stack in status["stacks"]:
        lines += ["", *stack_page(stack, by_stack.get(stack["id"], []), status["time"], paint, width)]
    if status["faults"]:
        lines += ["", paint("Faults", "bold")]
        for fault in status["faults"]:
            lines += _fault(fault, status["time"], paint)
    return lines


def stack_page(stack: Json, nodes: list[Json], now: str, paint: Paint, width: int = 0) -> list[str]:
    """Lay out a stack with its slots; ``width`` aligns the node names of several stacks."""
    width = max([width, *(len(node["name"]) for node in nodes)])
    return _stack(stack, now, paint) + [_node(node, stack, now, width, paint) for node in nodes]


def _heading(status: Json, paint: Paint) -> list[str]:
    """Count what the nodes are; empty slots count only when they are on."""
    counts = {"on": 0, "off": 0, "unknown": 0}
    for node in status["nodes"]:
        if node["configured"] or node["power"]["observed"] == "on":
            counts[node["power"]["observed"]] += 1
    styles = {"on": "green", "off": "", "unknown": "yellow"}
    told = [paint(f"{count} {word}", styles[word]) for word, count in counts.items() if count or word == "on"]
    name = paint(status["cluster"], "bold") + (" (simulated)" if status["simulated"] else "")
    stacks = len(status["stacks"])
    shape = f"{stacks} stack{'' if stacks == 1 else 's'}, {sum(counts.values())} nodes: {', '.join(told)}"
    return [f"{name}  {shape}  {paint('at ' + times.clock(status['time'], status['time']), 'dim')}"]


def _stack(stack: Json, now: str, paint: Paint) -> list[str]:
    """Show a stack's state, place, meters and freshness; its fault and missing meters below."""
    dot = paint.dot(stack["state"])
    parts = [f"{dot} {paint('Stack ' + str(stack['id']), 'bold')}"]
    parts.append(paint(stack["state"], STATE_STYLE[stack["state"]]))
    parts.append(words.place(stack))
    parts += [paint(text, "yellow" if stale else "") for text, stale in words.meters(stack)]
    if stack["budget_watts"] is not None and stack["state"] in ("ok", "degraded"):  # else nobody knows
        parts.append(f"expects {stack['expected_watts']:g} of {stack['budget_watts']:g} W")
    text, old = words.freshness(stack, now)
    parts.append(paint(text, "yellow" if old else "dim"))
    lines = ["  ".join(parts)]
    if stack["fault"] is not None:
        lines += _fault(stack["fault"], now, paint)
    return lines + [paint(f"  no {kind}: {why}", "yellow") for kind, why in stack["meters_missing"].items()]


def _node(node: Json, stack: Json, now: str, width: int, paint: Paint) -> str:
    """Show a slot and the node in it on one line."""
    dot = words.dot_of(node)
    if dot == "empty":
        state = "empty" if node["power"]["observed"] == "off" else "empty, power unknown"
        text = paint(f"{node['name'].ljust(width)}  {state}", "dim")
        return f"  {node['slot']} {paint.dot('empty')} {text}"
    style = {"on": "", "off": "", "fault": "red", "unknown": "yellow"}[dot]
    state = paint(words.node_state(node, stack, now), style)
    return f"  {node['slot']} {paint.dot(dot)} {node['name'].ljust(width)}  {state}"


def _fault(fault: Json, now: str, paint: Paint) -> list[str]:
    """Show a fault, its time, and its hint below it."""
    lines = ["  " + paint(words.fault(fault, now), "red")]
    return [*lines, f"  hint: {fault['hint']}"] if fault["hint"] else lines
