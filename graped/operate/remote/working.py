"""Commands and files on many nodes at once, over SSH. Implements ``api.operations.Remote``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final

from graped.api.folding import fold
from graped.api.remote_types import JobResults, NodeError, NodeOutput
from graped.core.chore import Chore, ChoreKind
from graped.errors import Cancelled, CommandFailed, GrapeError
from graped.model import SlotId
from graped.network.ssh_gather import Gathered, gather
from graped.operate.house import House
from graped.operate.remote.results import Kept, Results
from graped.operate.remote.sessions import Sessions
from graped.operate.remote.spool import Spooled, take
from graped.work import Work

OUTPUT_BYTES: Final = 256 * 1024  # kept of each output of a node
LOGIN_S: Final = 30.0
COPY_S: Final = 3600.0  # for one node to take a file
COPIES_AT_ONCE: Final = 32
SETTLE_S: Final = 5.0  # a cancelled job waits so long for the ends of its commands
SUBJECT_CHARACTERS: Final = 120
_CANCELLED: Final = NodeError(code=Cancelled.code, message="it was not begun: the job was cancelled")


class Remote:
    """Made and called in the event loop's thread; the work is done in threads."""

    def __init__(self, house: House, sessions: Sessions) -> None:
        self._house = house
        self._sessions = sessions
        self._kept = Kept()
        self._tasks: set[asyncio.Task[None]] = set()

    def results(self, job: int, after: int) -> JobResults:
        """Tell what the command of a job said on the nodes that ended behind a number, as far as that is kept."""
        return self._kept.after(job, after)

    def run(
        self, slots: tuple[SlotId, ...], command: str, *, stdin: bytes, timeout_s: float, fanout: int, by: str
    ) -> Chore:
        """Run a line of the login shell on nodes, ``fanout`` at a time; ``timeout_s`` bounds each node's whole."""
        names = self._names(slots)
        results = Results(names)

        def each(slot: SlotId, work: Work) -> str:
            name = self._name(slot)
            results.begin(name)
            began = time.monotonic()
            failed: Exception | None = None
            try:
                work.check()
                told = self._one(slot, command, stdin, began + timeout_s, work)
            except Exception as error:
                failed = error
                told = Gathered(code=None, stdout="", stderr="")
            failed = failed or told.error
            if isinstance(failed, GrapeError):
                _without_name(failed, name)
            results.add(_output(name, told, time.monotonic() - began, failed))
            if failed is not None:
                raise failed
            if told.code:
                raise CommandFailed(f"exit code {told.code}")
            return ""

        subject = f"{fold(names)}: {_short(command)}"
        chore = self._house.chores.start_each(
            ChoreKind.NODE_RUN, subject, each, slots, by=by, at_once=fanout, turn=False
        )  # fmt: skip
        self._kept.keep(chore.id, results)
        self._house.journal.append(
            "node.run.asked", f"{by} runs on {fold(names)}: {_line(command)}", job=chore.id,
            fields={"by": by, "nodes": list(names), "command": command, "stdin_bytes": len(stdin)},
        )  # fmt: skip
        self._follow(self._tell_end(chore.id, results))
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
        """Take a file whole, then put it on all nodes. Raises: TooLarge, NoSpace, Conflict; what ``chunks`` raises."""
        file = await take(self._house.state.config.store.state_dir, chunks, size_bytes=size_bytes)
        names = self._names(slots)
        counting = _Counting(file.size_bytes * len(slots))

        def each(slot: SlotId, work: Work) -> str:
            work.check()
            try:
                with self._sessions.borrow(slot, LOGIN_S) as session:
                    session.put_file(file.path, path, counting.of(work), mode=mode, timeout_s=COPY_S)
            except GrapeError as error:
                _without_name(error, self._name(slot))
                raise
            return ""

        try:
            subject = f"{path} on {fold(names)}"
            chore = self._house.chores.start_each(
                ChoreKind.NODE_COPY, subject, each, slots, by=by, at_once=COPIES_AT_ONCE
            )  # fmt: skip
        except BaseException:
            file.close()
            raise
        self._follow(self._let_go(chore.id, file))
        return chore

    # --- in threads -------------------------------------------------------------------------------------

    def _one(self, slot: SlotId, command: str, stdin: bytes, deadline: float, work: Work) -> Gathered:
        """Run it on one node. Raises: SshError."""
        with self._sessions.borrow(slot, max(0.1, deadline - time.monotonic())) as session:
            work.check()
            told = gather(
                session, command, stdin=stdin, timeout_s=max(0.1, deadline - time.monotonic()),
                limit_bytes=OUTPUT_BYTES, stopped=lambda: work.cancelled,
            )  # fmt: skip
        if told.error is not None and told.code is None:
            self._sessions.drop(slot)  # whatever happened, it may be the login
        return told

    # --- in the loop ------------------------------------------------------------------------------------

    async def _tell_end(self, job: int, results: Results) -> None:
        """Write into the event log what became of each node, once it is known."""
        await self._ended(job)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while not results.settled:  # noqa: ASYNC110 - threads end a moment later
                    await asyncio.sleep(0.05)
        found: dict[str, list[str]] = {}
        for one in results.close(_CANCELLED):
            word = f"exit code {one.code}" if one.error is None else one.error.code
            found.setdefault(word, []).append(one.name)
        self._kept.trim()
        told = {word: fold(names) for word, names in found.items()}
        text = "; ".join(f"{word} on {names}" for word, names in told.items())
        self._house.journal.append("node.run.outcome", f"job {job}: {text}", job=job, fields={"outcome": told})

    async def _let_go(self, job: int, file: Spooled) -> None:
        try:
            await self._ended(job)
        finally:
            file.close()  # who still reads has opened it for himself

    async def _ended(self, job: int) -> None:
        engine = self._house.engine
        while (chore := engine.state.chores.get(job)) is not None and chore.ended is None:
            await engine.changed(engine.state.revision, SETTLE_S)

    def _follow(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _names(self, slots: tuple[SlotId, ...]) -> tuple[str, ...]:
        return tuple(map(self._name, slots))

    def _name(self, slot: SlotId) -> str:
        return self._house.state.config.node_name(slot)


class _Counting:
    """How far a file is on all nodes together."""

    def __init__(self, total_bytes: int) -> None:
        self._lock = threading.Lock()
        self._total_bytes = total_bytes
        self._begun = False

    def of(self, work: Work) -> Callable[[int, int], None]:
        """Count one node's share: what was sent to it, and how much that will be."""
        with self._lock:
            if not self._begun:
                self._begun = True
                work.phase("copy", self._total_bytes)
        before = 0

        def sent(done: int, _total: int) -> None:  # raises Cancelled, which breaks the transfer off
            nonlocal before
            with self._lock:
                work.advance(done - before)
            before = done

        return sent


def _without_name(error: GrapeError, name: str) -> None:
    """Leave the node's name out of an error: it is told beside it."""
    error.detail = error.detail.removeprefix(f"{name}: ")


def _output(name: str, told: Gathered, seconds: float, failed: Exception | None) -> NodeOutput:
    error = None if failed is None else _error(failed)
    return NodeOutput(
        number=0, name=name, code=told.code, stdout=told.stdout, stderr=told.stderr, stdout_cut=told.stdout_cut,
        stderr_cut=told.stderr_cut, seconds=round(seconds, 3), error=error,
    )  # fmt: skip


def _error(failed: Exception) -> NodeError:
    if isinstance(failed, GrapeError):
        return NodeError(code=failed.code, message=failed.detail, hint=failed.hint)
    return NodeError(code=GrapeError.code, message=f"graped failed inside ({type(failed).__name__})")


def _line(command: str) -> str:
    """Make a command one line that moves nobody's cursor."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in command)


def _short(command: str) -> str:
    """Make a command one short line."""
    line = _line(" ".join(command.split()))
    return line if len(line) <= SUBJECT_CHARACTERS else f"{line[: SUBJECT_CHARACTERS - 3]}..."
