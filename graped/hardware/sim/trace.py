"""The trace: every transaction on the simulated buses as a JSON line, written by the rack and flushed at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


class Trace:
    """An append-only file that may be exchanged or absent. The rack writes under its lock."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._descriptor: int | None = None

    def write_to(self, path: Path | None) -> None:
        """Trace into this file from now on; None ends it."""
        if path == self.path and (path is None or path.exists()):
            return
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
        self.path = path
        if path is not None:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @property
    def open(self) -> bool:
        """Whether anybody wants the lines."""
        return self._descriptor is not None

    def write(
        self,
        *,
        t: float,
        bus: int,
        address: int,
        op: str,
        register: int | None,
        data: int | None,
        result: str,
        by: str,
        ports: tuple[int, int] | None,
        fault: str | None,
    ) -> None:
        """Append one line: ``data`` is what the master sent or got; ``ports`` the power port before and after."""
        if self._descriptor is None:
            return
        parts = [f'{{"t":{t:.6f},"bus":{bus},"address":{address},"op":"{op}"']
        if register is not None:
            parts.append(f'"register":{register}')
        parts.append(f'"data":{"null" if data is None else data},"result":"{result}","by":{json.dumps(by)}')
        if ports is not None:
            parts.append(f'"port_before":{ports[0]},"port_after":{ports[1]}')
        if fault is not None:
            parts.append(f'"fault":"{fault}"')
        try:
            os.write(self._descriptor, (",".join(parts) + "}\n").encode())
        except OSError as error:  # a full disk must not stop the rack
            print(f"trace {self.path} ends: {error}", file=sys.stderr)
            self._descriptor = None
