from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from grapecli.__main__ import main
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


class Stream(io.StringIO):
    """A standard stream that may be a terminal."""

    encoding = "utf-8"

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(text)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        import json

        return json.loads(self.out)


class Run(Protocol):
    def __call__(self, *args: str, stdin: str = "", tty: bool = False, out_tty: bool = False) -> Ran: ...


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="grape") as folder:  # short: a Unix socket's path has 107 bytes
        yield Path(folder) / "s"


@pytest.fixture
def rack() -> Rack:
    return Rack()


@pytest.fixture
def daemon(socket_path: Path, rack: Rack) -> Iterator[FakeDaemon]:
    server = FakeDaemon(socket_path, rack)
    yield server
    server.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, socket_path: Path) -> Run:
    """Run grapecli in this process against the socket of ``socket_path``."""
    for name in ("NO_COLOR", "GRAPE_SOCKET", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRAPE_SOCKET", str(socket_path))

    def run(*args: str, stdin: str = "", tty: bool = False, out_tty: bool = False) -> Ran:
        streams = Stream(stdin, tty=tty), Stream(tty=out_tty), Stream(tty=tty)
        with monkeypatch.context() as patch:
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                patch.setattr(sys, name, stream)
            code = main(list(args))
        return Ran(code, streams[1].getvalue(), streams[2].getvalue())

    return run


@pytest.fixture
def command(socket_path: Path) -> list[str]:
    """The argv of a grapecli process of its own."""
    return [sys.executable, "-m", "grapecli", "--socket", os.fspath(socket_path)]
