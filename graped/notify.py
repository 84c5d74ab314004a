"""Tell systemd how we are: the datagram protocol of sd_notify(3), and its watchdog."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Send state to the service manager; does nothing where there is none."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        pid = environ.get("WATCHDOG_PID", "")
        usec = environ.get("WATCHDOG_USEC", "") if not pid or pid == str(os.getpid()) else ""
        self.watchdog_s = int(usec) / 1_000_000 if usec.isdigit() else None

    def send(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``. Source: sd_notify(3)."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto("\n".join(lines).encode(), name)
            except OSError:
                pass  # a service manager that is gone cannot be told anything

    def alive(self) -> None:
        """Feed the watchdog."""
        if self.watchdog_s is not None:
            self.send("WATCHDOG=1")
