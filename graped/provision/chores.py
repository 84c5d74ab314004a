"""Do long blocking work in threads, and tell the core how far it is and how it ended.

Everything belongs to the event loop's thread but the work itself. Work that waits for its turn begins in the order
in which it was asked for. Nothing of it survives graped: what a stop finds is asked to end, and told as interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import BinaryIO

from graped.api.request_id import current_request_id
from graped.core.chore import Chore, ChoreKind, Failure
from graped.core.events import ChoreEnded, ChoreMoved, ChoreNodeEnded
from graped.core.jobs import Outcome, Result
from graped.engine import Engine
from graped.errors import Cancelled, Conflict, GrapeError, Stopping
from graped.model import SlotId
from graped.provision.failures import failure_of
from graped.provision.output import Output
from graped.provision.uploads import Upload
from graped.work import Progress, Work

AT_ONCE = 3  # the master's disk is not faster with more
UPLOADS = 4  # they do not wait for a turn: somebody sits at the other end
_READ_BYTES = 256 * 1024
OUTPUTS = 8  # jobs that have ended, of which it is still known what their programs wrote
TELL_S = 0.25  # progress is told so often at most
STOP_S = 5.0  # how long a stop waits for work to end

_STOPPED = Failure(code="interrupted", message="graped was stopped", hint="Ask again; nothing half-done is left.")


@dataclass(slots=True, eq=False)
class _Running:
    """One chore; ``waits``: for its turn."""

    id: int
    work: Work
    slot: SlotId | None = None  # the node that is worked on now
    waits: bool = False
    task: asyncio.Task[None] | None = None


class Chores:
    """All chores of one daemon. ``engine.cancel`` of a chore comes here."""

    def __init__(self, engine: Engine, *, at_once: int = AT_ONCE, uploads: int = UPLOADS) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Semaphore(at_once)
        self._uploads_at_once = uploads
        self._uploads: set[int] = set()  # those that have not ended
        self._running: dict[int, _Running] = {}
        self._outputs: dict[int, Output] = {}  # of what runs, and the last of those that ended
        self._closing = False
        engine.cancel_chore = self._cancel

    @property
    def closing(self) -> bool:
        """Whether all work is to end because graped does: what is not finished by then is interrupted."""
        return self._closing

    def start(
        self,
        kind: ChoreKind,
        subject: str,
        work: Callable[[Work], str],
        *,
        by: str,
        slots: tuple[SlotId, ...] = (),
        at_once: bool = False,
    ) -> Chore:
        """Have ``work`` done in a thread; what it returns is the chore's result.

        It looks at ``Work.check`` now and then, and undoes what it had begun when that raises Cancelled. A GrapeError
        is how it fails; any other error is a bug, told as ``internal`` and logged. Lines for ``Work.say`` are kept.
        ``at_once``: it waits for nodes, not for the master's disk, so it needs no turn.
        """
        turn = None if at_once else self._turn
        return self._begin(kind, subject, lambda running: work(running.work), by=by, slots=slots, turn=turn)

    def start_each(
        self,
        kind: ChoreKind,
        subject: str,
        each: Callable[[SlotId, Work], str],
        slots: tuple[SlotId, ...],
        *,
        by: str,
        at_once: int = 1,
        turn: bool | None = None,
    ) -> Chore:
        """Have ``each`` done for one node after the other; a node that fails does not keep the others from theirs.

        With ``at_once`` for so many at the same time: for work in which nodes are waited for, not the master's disk;
        it needs no turn, unless ``turn`` says so. What it returns is told of the node. The chore ends as
        ``completed_with_errors`` where some nodes failed.
        """
        waits = at_once == 1 if turn is None else turn
        call = lambda running: self._each(running, each, slots, at_once)  # noqa: E731
        return self._begin(kind, subject, call, by=by, slots=slots, turn=self._turn if waits else None)

    async def start_upload(
        self,
        kind: ChoreKind,
        subject: str,
        work: Callable[[BinaryIO, Work], str],
        chunks: AsyncIterator[bytes],
        *,
        by: str,
    ) -> Chore:
        """Have ``work`` read what a client sends, as a file; return once it took all of it, or ended before.

        The client is read no faster than ``work`` reads. Raises: Conflict (too many uploads at once); what ``chunks``
        raises, after telling the reader that its file is cut.
        """
        if len(self._uploads) >= self._uploads_at_once:
            raise Conflict("too many uploads at once", hint="Try again when one has ended; grapecli jobs shows them.")
        upload = Upload()
        chore = self._begin(kind, subject, lambda one: _reading(upload, work, one.work), by=by, slots=(), turn=None)
        self._uploads.add(chore.id)

        def ended(_: object) -> None:
            feeding.cancel()  # whatever happened: its sender is let go, also one that says nothing
            upload.close()

        feeding = asyncio.create_task(upload.feed(chunks))
        self._task_of(chore.id).add_done_callback(ended)
        try:
            await asyncio.wait((feeding,))
        finally:
            feeding.cancel()
        if not feeding.cancelled():
            feeding.result()
        return self._engine.state.chores.get(chore.id, chore)

    def output(self, number: int, after: int) -> tuple[tuple[str, ...], int]:
        """Tell what programs of a job wrote behind line ``after``, as far as it is kept; and the last line's number."""
        output = self._outputs.get(number)
        return ((), 0) if output is None else output.after(after)

    async def close(self, within_s: float = STOP_S) -> None:
        """Ask all work to end, and wait so long for it; what then still runs is told as interrupted and left alone."""
        self._closing = True
        for number in list(self._running):
            self._cancel(number)
        tasks = [one.task for one in self._running.values() if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for one in list(self._running.values()):
            self._end(one, Outcome.INTERRUPTED, failure=_STOPPED)

    def _begin(
        self,
        kind: ChoreKind,
        subject: str,
        call: Callable[[_Running], str],
        *,
        by: str,
        slots: tuple[SlotId, ...],
        turn: asyncio.Semaphore | None,
    ) -> Chore:
        if self._closing:
            raise Stopping("graped is stopping")
        chore = self._engine.begin_chore(kind, subject, by=by, slots=slots, request_id=current_request_id())
        output = self._outputs[chore.id] = Output()
        running = self._running[chore.id] = _Running(chore.id, Work(say=output.say))
        running.task = asyncio.create_task(self._run(running, call, turn))
        return chore

    def _task_of(self, number: int) -> asyncio.Task[None]:
        task = self._running[number].task
        assert task is not None  # _begin has made it
        return task

    def _cancel(self, number: int) -> None:
        running = self._running.get(number)
        if running is None:
            return
        running.work.cancel()
        if running.waits and running.task is not None:
            running.task.cancel()  # it waits for its turn; a task that has not begun would end without a word

    async def _run(self, running: _Running, call: Callable[[_Running], str], turn: asyncio.Semaphore | None) -> None:
        try:
            running.work.check()
            running.waits = True
            async with turn or contextlib.nullcontext():
                running.waits = False
                result = await self._watched(running, call)
        except Stopping:
            self._end(running, Outcome.INTERRUPTED, failure=_STOPPED)
        except (Cancelled, asyncio.CancelledError):
            if self._closing:
                self._end(running, Outcome.INTERRUPTED, failure=_STOPPED)
            else:
                self._end(running, Outcome.CANCELLED, failure=Failure(code=Cancelled.code, message="cancelled"))
        except Exception as error:
            self._end(running, Outcome.FAILED, failure=failure_of(error, running.id))
        else:
            self._end(running, Outcome.DONE, result=result)

    async def _watched(self, running: _Running, call: Callable[[_Running], str]) -> str:
        """Run the work in a thread of its own; tell its progress while it lasts."""
        end = self._thread(running, call)
        told: tuple[Progress, SlotId | None] | None = None
        while True:
            now = (running.work.progress, running.slot)
            if now != told:
                self._engine.post(ChoreMoved(chore=running.id, progress=now[0], slot=now[1]))
                told = now
            if end.done():
                return end.result()
            await asyncio.wait((end,), timeout=TELL_S)

    def _thread(self, running: _Running, call: Callable[[_Running], str]) -> asyncio.Future[str]:
        """Start the work in a daemon thread: a disk that never answers must not keep the program from ending."""
        end: asyncio.Future[str] = self._loop.create_future()

        def tell(result: str, error: BaseException | None) -> None:
            if end.done():
                return
            if error is None:
                end.set_result(result)
            else:
                end.set_exception(error)

        def run() -> None:
            result, failed = "", None
            try:
                running.work.check()
                result = call(running)
            except BaseException as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(tell, result, failed)

        threading.Thread(target=run, name=f"job {running.id}", daemon=True).start()
        return end

    def _each(
        self, running: _Running, each: Callable[[SlotId, Work], str], slots: tuple[SlotId, ...], at_once: int
    ) -> str:
        """Work on all nodes (in the thread)."""
        waiting = deque(slots)
        if at_once == 1:
            self._next(running, each, waiting)
            return ""
        cut: list[GrapeError] = []

        def work() -> None:
            try:
                self._next(running, each, waiting)
            except (Cancelled, Stopping) as error:
                cut.append(error)

        others = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(slots)))]
        for other in others:
            other.start()
        for other in others:
            while other.is_alive():
                running.work.check()
                other.join(TELL_S)
        if cut:
            raise cut[0]
        return ""

    def _next(self, running: _Running, each: Callable[[SlotId, Work], str], waiting: deque[SlotId]) -> None:
        """Work on one node after the other, as long as one waits (in a thread)."""
        while True:
            try:
                slot = waiting.popleft()
            except IndexError:
                return
            running.slot = slot
            running.work.check()
            self._from_thread(ChoreMoved(chore=running.id, progress=running.work.progress, slot=slot))
            try:
                self._node_ended(running, slot, Result.DONE, each(slot, running.work))
            except Cancelled:
                raise
            except Exception as error:
                self._node_ended(running, slot, Result.FAILED, failure_of(error, running.id).message)

    def _node_ended(self, running: _Running, slot: SlotId, result: Result, reason: str) -> None:
        """Tell the end of one node (in the thread)."""
        self._from_thread(ChoreNodeEnded(chore=running.id, slot=slot, result=result, reason=reason))

    def _from_thread(self, event: ChoreMoved | ChoreNodeEnded) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._engine.post, event)

    def _end(self, running: _Running, outcome: Outcome, *, result: str = "", failure: Failure | None = None) -> None:
        self._running.pop(running.id, None)
        self._uploads.discard(running.id)  # before it is told: who hears of its end may send the next
        self._forget()
        self._engine.post(ChoreEnded(chore=running.id, outcome=outcome, result=result, failure=failure))

    def _forget(self) -> None:
        """Let the output of older jobs go."""
        for number in [one for one in self._outputs if one not in self._running][:-OUTPUTS]:
            del self._outputs[number]


def _reading(upload: Upload, call: Callable[[BinaryIO, Work], str], work: Work) -> str:
    """Run ``call`` over an upload (in the thread), and let its sender go when it ends."""
    upload.work = work
    with io.BufferedReader(upload, _READ_BYTES) as stream:
        return call(stream, work)
