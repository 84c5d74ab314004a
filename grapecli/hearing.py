"""What the command of a job writes: shown line by line on stdout as it comes, or told as JSON at the end."""

from __future__ import annotations

from grapecli import follow
from graped.terminal.session import Session, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from grapecli.words import Json


class Hearing:
    """Follows the output of one job."""

    def __init__(self, session: Session, job_id: int) -> None:
        self._session = session
        self._id = job_id
        self._last = 0

    def ask(self, deadline: follow.Deadline, wait_s: float | None = None) -> Json:
        """Fetch what came since the last time, with ``wait_s`` once there is some. Raises Unreachable."""
        path = f"/v1/jobs/{self._id}/output"
        told: Json = follow.ask(self._session.client(), deadline, path, after=self._last, wait_s=wait_s)
        self._last = max(self._last, told["last"])
        return told

    @property
    def heard(self) -> bool:
        """Whether anything has come."""
        return self._last > 0

    def show_more(self, deadline: follow.Deadline, before: Callable[[], None]) -> None:
        """Print what came since the last time, after calling ``before``. Raises Unreachable, ReaderGone, NotWritten."""
        told = self.ask(deadline)
        if told["lines"]:
            before()
            self.show(told)

    def show(self, told: Json) -> None:
        """Print lines at once, also into a pipe. Raises ReaderGone, NotWritten."""
        if told["left_out"]:
            self._session.note(f"({told['left_out']} lines are not kept: they came faster than they were fetched)")
        for line in told["lines"]:
            self._session.print(line)
        if told["lines"]:
            flush()

    def of(self, job: Json, deadline: follow.Deadline) -> dict[str, Any]:
        """Tell a job together with the last lines that its command wrote."""
        self._last = 0
        told = self.ask(deadline)
        return {**job, "output": told["lines"], "output_left_out": told["left_out"]}
