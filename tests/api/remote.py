"""Commands and files on nodes in memory: each echoes its command; worker-*-3 fails, worker-*-4 cannot be reached."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

from graped.api.remote_types import JobResults, NodeError, NodeOutput
from graped.core.chore import Chore, ChoreKind
from graped.engine import Engine
from graped.errors import CommandFailed, SshTimeout
from graped.model import SlotId
from graped.operate.remote.results import Kept, Results, not_run
from graped.provision.chores import Chores
from graped.work import Work


class Remote:
    """Implements ``operations.Remote``. ``held``: commands do not end while it is cleared."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chores: Chores | None = None
        self._kept = Kept()
        self._said: dict[int, Results] = {}
        self.held = threading.Event()
        self.held.set()
        self.asked: list[tuple[str, bytes, float, int]] = []
        self.files: dict[str, tuple[bytes, str, int]] = {}

    @property
    def chores(self) -> Chores:
        """Made in the loop."""
        self._chores = self._chores or Chores(self._engine)
        return self._chores

    def results(self, job: int, after: int) -> JobResults:
        chore = self._engine.state.chores.get(job)
        if chore is not None and chore.ended is not None and job in self._said:  # it may have ended before it began
            self._said[job].close(NodeError(code="cancelled", message="cancelled"))
        return self._kept.after(job, after)

    def run(
        self, slots: tuple[SlotId, ...], command: str, *, stdin: bytes, timeout_s: float, fanout: int, by: str
    ) -> Chore:
        self.asked.append((command, stdin, timeout_s, fanout))
        name = self._engine.state.config.node_name
        results = Results(tuple(map(name, slots)))

        def each(slot: SlotId, work: Work) -> str:
            results.begin(name(slot))
            while not self.held.wait(0.05):
                if work.cancelled:
                    results.add(not_run(name(slot), NodeError(code="cancelled", message="cancelled")))
                work.check()
            if slot.slot == 4:
                why = NodeError(code="ssh_timeout", message="no answer within 60 s")
                results.add(not_run(name(slot), why))
                raise SshTimeout(f"{name(slot)}: no answer within 60 s")
            code = 3 if slot.slot == 3 else 0
            results.add(
                NodeOutput(
                    number=0, name=name(slot), code=code, stdout=f"{command}\n", stderr="oops\n" if code else "",
                    stdout_cut=False, stderr_cut=False, seconds=0.1,
                )
            )  # fmt: skip
            if code:
                raise CommandFailed(f"exit code {code}")
            return ""

        chore = self.chores.start_each(ChoreKind.NODE_RUN, command, each, slots, by=by, at_once=fanout, turn=False)
        self._kept.keep(chore.id, results)
        self._said[chore.id] = results
        return chore

    async def copy(
        self,
        slots: tuple[SlotId, ...],
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size_bytes: int | None,
        mode: int,
        by: str,
    ) -> Chore:
        data = b"".join([chunk async for chunk in chunks])

        def each(slot: SlotId, work: Work) -> str:
            self.files[self._engine.state.config.node_name(slot)] = (data, path, mode)
            return ""

        return self.chores.start_each(ChoreKind.NODE_COPY, path, each, slots, by=by, at_once=4)
