"""The program ``grape-image`` as a child: its tar, how far it is, and why it failed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from graped.errors import GrapeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.working import View

PROGRAM = "grape-image"
END_S = 30.0  # interrupted, it takes down what it has mounted and removes what it has made
_TOLD = 3
_FIRST_BYTES = 1 << 16


class BuildFailed(GrapeError):
    """The image could not be built."""

    code = "not_built"
    title = "The image was not built"


def find() -> str:
    """Find the program: in the path, or beside grapecli itself. Raises: BuildFailed."""
    beside = Path(sys.argv[0]).resolve().parent, Path(sys.executable).parent
    for folder in (None, *map(str, beside)):
        found = shutil.which(PROGRAM, path=folder)
        if found:
            return found
    raise BuildFailed(
        f"{PROGRAM} is not installed", hint="It is part of master_setup: install Grape whole, or build elsewhere."
    )


class Builder:
    """A build that runs. ``read`` gives the tar, and fails where the build does: one cut short must not look whole."""

    def __init__(self, argv: list[str], view: View) -> None:
        self._view: View | None = view
        self._heard: list[str] = []
        self._error: dict[str, str] | None = None
        self.notes: list[str] = []
        self._process = subprocess.Popen(
            argv, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._first = b""

    def wait_for_first(self) -> None:
        """Wait until the tar begins to come: everything is built then. Raises: GrapeError."""
        self._first = self._take(_FIRST_BYTES)
        self._view = None  # from here on it is the upload that is shown

    def read(self, size: int) -> bytes:
        """Read so much of the tar, or what is left. Raises: GrapeError."""
        piece, self._first = self._first, b""
        return piece or self._take(size)

    def close(self) -> None:
        """Have it end, and wait for it: what it mounted and made goes with it."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(END_S)

    def _take(self, size: int) -> bytes:
        assert self._process.stdout is not None
        piece: bytes = self._process.stdout.read(size)
        if not piece and self._process.wait() != 0:
            self._listener.join(END_S)
            raise self._failure()
        return piece

    def _failure(self) -> GrapeError:
        """Say what it said."""
        told = self._error
        if told is None:
            said = " / ".join(self._heard[-_TOLD:]) or f"it ended with code {self._process.returncode}"
            return BuildFailed(f"{PROGRAM}: {said}")
        failure = BuildFailed(told.get("detail", ""), hint=told.get("hint", ""))
        failure.code = told.get("code", BuildFailed.code)  # type: ignore[misc]  # its own, as the exit code needs it
        failure.title = told.get("title", BuildFailed.title)  # type: ignore[misc]
        return failure

    def _listen(self) -> None:
        """Take its lines: JSON as ``--progress json`` writes it, else something that went wrong."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for raw in stream:
                line = raw.decode(errors="replace").strip()
                told = None
                with contextlib.suppress(ValueError):
                    told = json.loads(line)
                if not isinstance(told, dict):
                    self._heard += [line] if line else []
                elif "phase" in told and self._view is not None:
                    self._view.show(told["phase"], told["done"], told["total"], told["unit"])
                elif "note" in told:
                    self.notes.append(str(told["note"]))
                elif "code" in told:
                    self._error = told


@contextlib.contextmanager
def running(argv: list[str], view: View) -> Iterator[Builder]:
    """Run a build until its tar begins; it is over, whatever happens, when this is left."""
    builder = Builder(argv, view)
    try:
        builder.wait_for_first()
        yield builder
    finally:
        builder.close()
