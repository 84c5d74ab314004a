"""Which kind of machine this is: no serial numbers, no host names."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def kind() -> str:
    """Write cores, processor, memory, system and Python on one line."""
    cores = len(os.sched_getaffinity(0))
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"Linux {'.'.join(platform.release().split('.')[:2])}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} cores, {_processor()}, {memory_gib:.0f} GiB, {system}, {python}"


def load() -> float:
    """Tell how busy the machine was in the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    board = Path("/proc/device-tree/model")
    if board.exists():
        return re.sub(r" Rev .*", "", board.read_text().rstrip("\0"))
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            plain = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", "", value)
            return f"{' '.join(plain.split())} ({platform.machine()})"
    return platform.machine()
