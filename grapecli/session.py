"""One run of grapecli: where graped is, and how to print."""

from __future__ import annotations

import os
import sys

from grapecli.paint import Paint

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself would cost start-up time
    from typing import Any, TextIO

    from graped.api.client import Client

DEFAULT_SOCKET = "/run/grape/graped.sock"
REQUEST_TIMEOUT_S = 10.0


class Session:
    """What the global options say, and the connection they lead to (made when first used)."""

    def __init__(self) -> None:
        self.socket: str | None = None
        self.json = False
        self.color = "auto"

    @property
    def socket_path(self) -> str:
        """The socket: ``--socket``, else ``GRAPE_SOCKET``, else the documented place."""
        return self.socket or os.environ.get("GRAPE_SOCKET") or DEFAULT_SOCKET

    def client(self, timeout_s: float = REQUEST_TIMEOUT_S) -> Client:
        """Make a client of the daemon. Nothing is sent yet."""
        from graped.api.client import Client

        return Client(self.socket_path, timeout_s)

    def paint(self, stream: TextIO | None = None) -> Paint:
        """Choose colours and glyphs for a stream (default: stdout)."""
        return Paint.choose(self.color, stream or sys.stdout)

    def print(self, text: str = "") -> None:
        """Print data: one or more lines on stdout."""
        sys.stdout.write(text + "\n")

    def print_json(self, value: Any) -> None:
        """Print one JSON value on one line of stdout."""
        import json

        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def note(self, text: str) -> None:
        """Say something that is not data, on stderr; silent with ``--json``, where stderr is for errors alone."""
        if not self.json:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    @property
    def terminal(self) -> bool:
        """Whether a person sits there who can be asked and can watch."""
        return sys.stdin.isatty() and sys.stderr.isatty()
