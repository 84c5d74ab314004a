"""What an idle daemon costs: 96 slots polled at the default intervals. The simulated rack is not counted."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.bench.daemons import graped, processor_s, resident_bytes
from tests.bench.rows import Row

RSS_AIM_MB = 80
CPU_AIM_PERCENT = 1.0
RSS_CAUSE = "fastapi with pydantic, ClusterShell and prometheus_client are most of it"
CPU_CAUSE = (
    "16 polls a second, each through a socket of the simulated rack, and the meters are about 60 of the event loop's "
    "80 steps a second; the display, SSH and what is served are the others"
)


def measure(room: Path, seconds: float, settle_s: float) -> list[Row]:
    """Watch a daemon for so long, once it has settled."""
    with graped(room / "idle", 16) as daemon:
        time.sleep(settle_s)
        before, began = processor_s(daemon.pid), time.monotonic()
        time.sleep(seconds)
        used = processor_s(daemon.pid) - before
        percent = 100 * used / (time.monotonic() - began)
        resident_mb = resident_bytes(daemon.pid) / 1e6
    bare_mb = _bare_python_mb()
    return [
        Row(
            what="memory of an idle daemon, 96 slots (RSS)", figure=f"{resident_mb:.1f} MB",
            against=f"a bare python3: {bare_mb:.1f} MB", ratio=resident_mb / bare_mb,
            aim=f"< {RSS_AIM_MB} MB", met=resident_mb < RSS_AIM_MB, cause=RSS_CAUSE,
        ),
        Row(
            what=f"processor of an idle daemon, 96 slots, over {seconds:.0f} s", figure=f"{percent:.2f} % of a core",
            against="the aim", ratio=percent / CPU_AIM_PERCENT,
            aim=f"< {CPU_AIM_PERCENT:g} %", met=percent < CPU_AIM_PERCENT, cause=CPU_CAUSE,
        ),
    ]  # fmt: skip


def _bare_python_mb() -> float:
    code = "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as python:
        assert python.stdout is not None
        python.stdout.read(1)
        return resident_bytes(python.pid) / 1e6
