"""The rack that the campaign runs on: four Grape stacks on two buses, and a policy fast enough for a test."""

from __future__ import annotations

from tests.campaign.wire import Place, Slot

PLACES: dict[Place, int] = {(0, 0x38): 0, (0, 0x39): 1, (1, 0x3C): 4, (1, 0x3D): 5}  # stack 5 has to be looked for
SLOTS: tuple[Slot, ...] = tuple((stack, slot) for stack in PLACES.values() for slot in range(6))
STAGGER_S, INRUSH_S, MAX_INRUSH = 0.02, 0.06, 4
POLL_S = 0.1

_STACK = """
[cluster.stacks.{key}]
{bus}
[cluster.stacks.{key}.devices]
{devices}
"""
_POLICY = f"""
[power]
at_start = "{{policy}}"
stagger_s = {STAGGER_S}
inrush_s = {INRUSH_S}
max_inrush = {MAX_INRUSH}
max_booting = 24
cycle_off_s = 0.02
[poll]
power_s = {POLL_S}
meters_s = 0.5
retry_max_s = 0.5
[bus]
deadline_s = 0.09
[store]
flush_s = 1.0
"""


def _devices(key: int) -> str:
    return "\n".join(f'{slot} = {{ mac = "02:00:00:00:{key:02x}:{slot:02x}" }}' for slot in range(6))


def config() -> str:
    """Give the TOML, with ``{policy}`` left open."""
    buses = {0: "bus = 0", 1: "bus = 0", 4: "bus = 1", 5: ""}
    stacks = [_STACK.format(key=key, bus=bus, devices=_devices(key)) for key, bus in buses.items()]
    return "".join(stacks) + _POLICY


def name_of(slot: Slot) -> str:
    """Name the node of a slot."""
    return f"worker-{slot[0]}-{slot[1]}"


def slot_of(name: str) -> Slot:
    """Find the slot of a node."""
    _, stack, slot = name.split("-")
    return int(stack), int(slot)
