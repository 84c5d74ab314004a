"""``GET /v1/nodes`` of 48 and of 1,002 slots, beside the smallest answer that the same server gives."""

from __future__ import annotations

from pathlib import Path

from tests.bench.load import ask_for
from tests.bench.rows import Row, median, percentile, ratio_row, span
from tests.bench.server import serving

SIZES = {8: "48 slots", 167: "1,002 slots, built past the board's 96"}


def measure(room: Path, seconds: float, many: int) -> list[Row]:
    """Ask each server for so long, with one client and with many."""
    rows = []
    for stacks, size in SIZES.items():
        with serving(room, stacks) as server:
            for clients in (1, many):
                small = ask_for(server.socket, "/v1/version", clients, seconds / 2)
                rows.append(_row(size, clients, ask_for(server.socket, "/v1/nodes", clients, seconds), small))
    return rows


def _row(size: str, clients: int, nodes: list[float], version: list[float]) -> Row:
    who = "1 client" if clients == 1 else f"{clients} clients"
    row = ratio_row(f"GET /v1/nodes, {size}, {who}", median(nodes), "GET /v1/version, p50", median(version))
    figure = f"p50 {span(median(nodes))}, p99 {span(percentile(nodes, 99))}"
    return Row(what=row.what, figure=figure, against=row.against, ratio=row.ratio)
