"""One run of a command line: where graped is, and how to print."""

from __future__ import annotations

import sys

from graped.terminal.paint import Paint

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself would cost start-up time
    from typing import Any, TextIO

    from graped.api.client import Client

REQUEST_TIMEOUT_S = 10.0
REMOVE_S = 1800.0  # graped removes a whole tree before it answers, from an SD card perhaps


class ReaderGone(Exception):
    """Whoever read our output has gone (``| head``). No OSError: click would make exit code 1 of that."""


class NotWritten(OSError):
    """Our output cannot be written: a full disk."""


class Session:
    """What the global options say, and the connection they lead to (made when first used)."""

    def __init__(self) -> None:
        self.socket: str | None = None
        self.json = False
        self.color = "auto"
        self.timeout_s = REQUEST_TIMEOUT_S
        self._client: Client | None = None

    def client(self) -> Client:
        """Give the client of the daemon; one for the whole run. Nothing is sent yet."""
        if self._client is None:
            from graped.api.client import Client

            self._client = Client(self.socket, self.timeout_s)  # without --socket: GRAPE_SOCKET, else the usual place
        return self._client

    def paint(self, stream: TextIO | None = None) -> Paint:
        """Choose colours and glyphs for a stream (default: stdout)."""
        return Paint.choose(self.color, stream or sys.stdout)

    def print(self, text: str = "") -> None:
        """Print data: one or more lines on stdout. Raises ReaderGone, NotWritten."""
        try:
            sys.stdout.write(text + "\n")
        except OSError as error:
            raise _unwritten(error) from None

    def print_json(self, value: Any) -> None:
        """Print one JSON value on one line of stdout. Raises ReaderGone, NotWritten."""
        import json

        self.print(json.dumps(value, ensure_ascii=not self.paint().unicode))

    def note(self, text: str) -> None:
        """Say something that is not data, on stderr; silent with ``--json``, where stderr is for errors alone."""
        if not self.json:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    @property
    def terminal(self) -> bool:
        """Whether a person sits there who can be asked and can watch."""
        return sys.stdin.isatty() and sys.stderr.isatty()


def flush() -> None:
    """Send off what was printed. Raises ReaderGone, NotWritten."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _unwritten(error) from None


def _unwritten(error: OSError) -> Exception:
    return ReaderGone() if isinstance(error, BrokenPipeError) else NotWritten(error.errno, error.strerror)
