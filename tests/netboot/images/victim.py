"""A process that begins something with a store and dies by SIGKILL at a point it was told.

``python -m tests.netboot.images.victim FOLDER ACTION INPUT POINT``. A point is ``step:NAME`` (right behind a step of
the store), ``phase:NAME`` (in the middle of a phase of the work), ``program:NAME`` (while that program runs on) or
``rmdir:N`` (at the N-th folder that is removed).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from graped.netboot.images.store import ImageStore
from graped.runner import Output, SubprocessRunner
from graped.work import Progress, Work


def die() -> None:
    """End at once, as with the power."""
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(SubprocessRunner):
    """Starts programs, and dies with one of them at work."""

    def __init__(self, deadly: str) -> None:
        super().__init__()
        self._deadly = deadly

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        if argv[0] == self._deadly:
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, **(env or {})},
            )  # fmt: skip
            die()
        return super().run(argv, timeout_s=timeout_s, expect=expect, env=env)


def act(store: ImageStore, action: str, source: Path, work: Work) -> None:
    """Do what the tests do, the same in a victim and in a survivor."""
    match action:
        case "stream":
            with source.open("rb") as stream:
                store.import_stream("new", stream, source.name, work)
        case "tree":
            store.import_tree("new", source, source.name, work)
        case "remove":
            store.remove(store.find("new"))
        case _:
            raise ValueError(action)


def main(folder: str, action: str, source: str, point: str) -> None:
    kind, _, name = point.partition(":")

    def step(done: str) -> None:
        if kind == "step" and done == name:
            die()

    def tell(now: Progress) -> None:
        if kind == "phase" and now.phase == name and (now.done or not now.total):
            die()

    if kind == "rmdir":
        removed = 0
        rmdir = os.rmdir

        def deadly_rmdir(*args: object, **more: object) -> None:
            nonlocal removed
            removed += 1
            if removed == int(name):
                die()
            rmdir(*args, **more)  # type: ignore[arg-type]

        os.rmdir = deadly_rmdir  # type: ignore[assignment]
    runner = Dying(name if kind == "program" else "")
    act(ImageStore(Path(folder), runner, lambda: 1_700_000_000.0, step=step), action, Path(source), Work(tell))


if __name__ == "__main__":
    main(*sys.argv[1:])
