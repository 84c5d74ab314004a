"""``grape_docker status``: nodes and their places in the swarm."""

from __future__ import annotations

from typing import Any

import click

from grape_docker.cli.cluster import Now, look
from grape_docker.cli.frame import Command, pass_session
from grape_docker.cli.session import Session
from grape_docker.core import drain
from grape_docker.core.reconcile import reconcile
from grape_docker.model import NodeFact, SwarmNode, Trouble
from graped.api.folding import fold
from graped.terminal import table
from graped.terminal.paint import Paint

HEAD = ("nodes", "power", "stage", "swarm", "availability", "role", "tasks", "now")
STYLES = {"on": "green", "up": "green", "ready": "green", "down": "red", "lost": "red", "unknown": "yellow"}


@click.command("status", cls=Command)
@pass_session
def status(session: Session) -> None:
    """Show each node's power, stage and place in the swarm; what keeps nodes out; what the daemon does."""
    now = look(session)
    tasks = drain.counts(session.manager.tasks()) if now.swarm.id else {}
    found = describe(now, tasks)
    if session.json:
        session.print_json(found)
        return
    session.print("\n".join(lines(found, session.paint())))


def describe(now: Now, tasks: Any) -> dict[str, Any]:
    """Put together all there is to tell. ``tasks`` is how many each entry has, by its id."""
    made = reconcile(now.rack, now.swarm, now.known, now.settings, now.at)
    told = now.status.get("troubles")
    troubles = told if isinstance(told, list) else [_trouble(one) for one in made.troubles]
    waits = {one.name: one.why for one in made.waiting}
    working: dict[str, str] = now.status.get("working") or {}
    nodes = []
    for node in now.rack.nodes:
        own = now.entries[node.name].own
        doing = working.get(node.name) or waits.get(node.name, "")
        nodes.append(_node(node, own, tasks.get(own.id, 0) if own else 0, doing))
    managers = [one.hostname for one in now.swarm.nodes if one.role == "manager"]
    return {
        "swarm": now.swarm.id or None,
        "managers": managers,
        "entries": len(now.swarm.nodes),
        "daemon": {"runs": now.runs, "pid": now.status.get("pid"), "started": now.status.get("started")},
        "nodes": nodes,
        "troubles": troubles,
    }


def lines(found: dict[str, Any], paint: Paint) -> list[str]:
    """Lay it out for people: nodes that are alike share a line."""
    swarm = f"swarm {found['swarm']}" if found["swarm"] else "no swarm"
    managers = f", managers {fold(found['managers'])}" if found["managers"] else ""
    runs = "grape_docker runs" if found["daemon"]["runs"] else "grape_docker does not run here"
    alike: dict[tuple[str, ...], list[str]] = {}
    for node in found["nodes"]:
        alike.setdefault(_row(node), []).append(node["name"])
    rows: list[tuple[table.Cell, ...]] = [
        (fold(names), *((word, STYLES.get(word, "")) for word in row)) for row, names in alike.items()
    ]
    told = [f"{swarm}: {found['entries']} entries{managers}; {runs}", "", *table.lines(HEAD, rows, paint)]
    for one in found["troubles"]:
        hint = f" (hint: {one['hint']})" if one["hint"] else ""
        told.append(f"{paint(one['name'] or 'swarm', 'red')}: {one['message']}{hint}")
    return told


def _node(node: NodeFact, own: SwarmNode | None, tasks: int, doing: str) -> dict[str, Any]:
    return {
        "name": node.name,
        "power": node.power,
        "stage": node.stage,
        "entry": own.id if own else None,
        "state": str(own.state) if own else None,
        "availability": str(own.availability) if own else None,
        "role": str(own.role) if own else None,
        "labels": dict(own.labels) if own else {},
        "engine": own.engine if own else None,
        "tasks": tasks,
        "now": doing,
    }


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    words = [node["power"], node["stage"], node["state"], node["availability"], node["role"]]
    return (*(str(word) if word is not None else "-" for word in words), str(node["tasks"]), node["now"])


def _trouble(trouble: Trouble) -> dict[str, Any]:
    return {
        "name": trouble.name,
        "code": trouble.code,
        "message": trouble.message,
        "hint": trouble.hint,
        "since": trouble.since,
    }
