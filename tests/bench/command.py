"""From a ``POST /v1/power`` to the byte on the wire, beside the one commit to disk that must come before it.

The job and the byte are on disk before the byte goes out, and six equal reads of the port go before it too.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from graped.api.client import Client
from tests.bench.daemons import graped, wait_until
from tests.bench.rows import Row, median, percentile, ratio_row, span

AT_ONCE = "[power]\nstagger_s = 0.0\ninrush_s = 0.0\nmax_inrush = 96\nmax_booting = 96\n"
NODE = "worker-5-2"
_PAUSE_S = 0.15  # polls of other stacks come and go meanwhile


def measure(room: Path, times: int) -> list[Row]:
    """Switch one node so many times on a full, idle cluster."""
    with graped(room / "command", 16, AT_ONCE, traced=True) as daemon, daemon.client() as client:
        trace = _Trace(daemon.trace)
        answers, wires = zip(*(_switch(client, trace, number) for number in range(times)), strict=True)
    commit = median([_commit_s(room) for _ in range(times)])
    wire = ratio_row("POST /v1/power to the byte on the wire", median(wires), "a write and fsync", commit)
    return [
        Row(
            what=wire.what, figure=f"p50 {span(median(wires))}, p99 {span(percentile(wires, 99))}",
            against=wire.against, ratio=wire.ratio,
        ),
        ratio_row("POST /v1/power to its answer", median(answers), "a write and fsync", commit),
    ]  # fmt: skip


class _Trace:
    """Reads on in the trace of the simulated rack."""

    def __init__(self, path: Path) -> None:
        self._file = path.open()
        self._file.seek(0, os.SEEK_END)
        self._rest = ""

    def sent_at(self) -> float:
        """Wait for the next byte sent into a power port; give when that was, in unix seconds."""
        found: list[float] = []

        def seen() -> bool:
            found.extend(self._sent())
            return bool(found)

        wait_until(seen, "a byte on the wire", 0.005)
        return found[0]

    def _sent(self) -> Iterator[float]:
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for line in map(json.loads, lines):
            if line["op"] == "send_byte" and 0x38 <= line["address"] < 0x40:
                yield line["t"]


def _switch(client: Client, trace: _Trace, number: int) -> tuple[float, float]:
    """Give the seconds until the answer, and until the byte was sent."""
    time.sleep(_PAUSE_S)
    began = time.time()
    job = client.post("/v1/power", {"verb": "off" if number % 2 else "on", "nodes": NODE})
    answered = time.time()
    sent = trace.sent_at()
    wait_until(lambda: client.get(f"/v1/jobs/{job['id']}")["outcome"] == "done", "the job", 0.01)
    return answered - began, sent - began


def _commit_s(room: Path) -> float:
    """Tell how long this disk takes to keep 4 KiB."""
    descriptor = os.open(room / "commit", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    began = time.perf_counter()
    os.write(descriptor, b"x" * 4096)
    os.fsync(descriptor)
    took = time.perf_counter() - began
    os.close(descriptor)
    return took
