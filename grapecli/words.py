"""Say what a node or a stack is, in words that are honest about what is not known."""

from __future__ import annotations

from grapecli import times
from grapecli.units import KINDS, human

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

OLD_S = 10.0  # a reading older than this is shown in yellow


def fault(fault: Json, now: str) -> str:
    """Say a fault and since when."""
    return f"{fault['message']}, since {times.clock(fault['since'], now)}"


def dot_of(node: Json) -> str:
    """Choose the dot of a node."""
    power = node["power"]
    if power["observed"] == "unknown":
        return "unknown" if node["configured"] else "empty"
    if power["fault"] is not None:
        return "fault"
    return "empty" if power["observed"] == "off" and not node["configured"] else str(power["observed"])


def node_state(node: Json, stack: Json | None, now: str) -> str:
    """Say what a node's power is, how far its boot has come, and what is wrong."""
    power = node["power"]
    if power["observed"] == "unknown":
        return f"unknown ({_why_unknown(node, stack, now)})"
    words = [str(power["observed"])]
    if not node["configured"]:
        words.append("(empty slot)")
    if power["observed"] == "on":
        words += _stage(node)
    if power["desired"] not in (None, power["observed"]):
        words.append(f"(wanted: {power['desired']})")
    if power["fault"] is not None:
        words.append(f"- {fault(power['fault'], now)}")
    if (recovery := node.get("recovery")) and recovery["quarantine"]:
        words.append(f"(quarantine: {recovery['quarantine']})")
    if node["job"] is not None:
        words.append(f"[job {node['job']}]")
    if node.get("facts"):
        words.append(f" {facts(node['facts'])}")
    return " ".join(words)


def facts(facts: Json) -> str:
    """Say in few words how warm and how busy a node is, and what holds it back."""
    celsius, load = facts["temperature_celsius"], facts["load"]
    parts = [] if celsius is None else [f"{celsius:.0f} °C"]
    parts += [] if load is None else [f"load {load:.1f}"]
    return "  ".join([*parts, *facts["throttled"][:1]])


def _stage(node: Json) -> list[str]:
    """Say the boot stage, and why it is late or unknown; of a node whose stages nobody tells, nothing."""
    stage, reason = node["stage"], node["stage_reason"]
    if stage is None:
        return [f"(stage unknown: {reason})"] if reason and node["watched"] else []
    return [str(stage), f"(late: {node['late']})"] if node["late"] else [str(stage)]


def _why_unknown(node: Json, stack: Json | None, now: str) -> str:
    """Find the reason of an unknown: the slot's own, else its stack's."""
    if node["power"]["fault"] is not None:
        return fault(node["power"]["fault"], now)
    if stack is not None and stack["fault"] is not None:
        return fault(stack["fault"], now)
    since = node["power"]["since"]
    return f"not read yet{f', since {times.clock(since, now)}' if since else ''}"


def place(stack: Json) -> str:
    """Say where a stack is: its driver, or bus and address."""
    if stack["bus"] is None and stack["address"] is None:
        return str(stack["driver"])
    bus = "bus ?" if stack["bus"] is None else f"bus {stack['bus']}"
    return bus if stack["address"] is None else f"{bus} address {stack['address']}"


def meters(stack: Json) -> list[tuple[str, bool]]:
    """List the values of a stack's meters, each with whether it is stale."""
    shown = []
    for kind in KINDS:
        meter = stack["meters"].get(kind)
        if meter is not None:
            stale = bool(meter["stale"])
            shown.append((human(meter["value"], meter["unit"]) + (" (stale)" if stale else ""), stale))
    return shown


def freshness(stack: Json, now: str) -> tuple[str, bool]:
    """Say how old the newest reading is, and whether that is old."""
    age_s = times.age_s(stack["read_at"], now)
    if age_s is None:
        return "never read", True
    return f"read {times.span(age_s)} ago", age_s > OLD_S
