"""What the web services of this sample have in common: one page, a health check, a clean end at SIGTERM."""

from __future__ import annotations

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NoReturn

STYLE = "body{font:1.2em sans-serif;margin:3em}button{font-size:2em;margin:.3em;padding:.5em 1em}td{padding:.2em 1em}"


class Handler(BaseHTTPRequestHandler):
    """Answers in one go."""

    def answer(self, status: int, body: str, kind: str = "text/html", **headers: str) -> None:
        """Send a whole answer; ``headers`` are written with ``_`` for ``-``."""
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def page(self, title: str, body: str, **headers: str) -> None:
        """Send a page."""
        head = f"<meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        self.answer(200, f"<!doctype html>{head}<h1>{title}</h1>{body}", **headers)

    def body(self) -> str:
        """What the client sent; at most 4 KiB are read."""
        length = min(int(self.headers.get("Content-Length") or 0), 4096)
        return self.rfile.read(length).decode(errors="replace")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


def end_at_term() -> None:
    """End at once when Docker asks: PID 1 has no default for SIGTERM."""

    def end(*_: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)


def serve(handler: type[Handler], port: int = 80) -> None:
    """Serve until SIGTERM."""
    end_at_term()
    ThreadingHTTPServer(("", port), handler).serve_forever()
