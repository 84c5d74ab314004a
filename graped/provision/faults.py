"""Tell from any thread what of netbooting fails, each thing as a fault of its own, and when it works again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graped.core.events import DaemonFault, Event
from graped.errors import GrapeError
from graped.provision.ground import Finding

log = logging.getLogger("graped.provision")


class Faults:
    """The core tells each fault once; here it may be told at every round. Made in the event loop's thread."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._loop = asyncio.get_running_loop()

    def tell(self, code: str, finding: Finding | None) -> None:
        """Tell a fault, or (None) that there is none."""
        message, hint = (finding.message, finding.hint) if finding else ("", "")
        event = DaemonFault(code=code, message=message, hint=hint)
        self.call(lambda: self._post(event))

    def call(self, what: Callable[[], None]) -> None:
        """Have something done in the event loop's thread."""
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            pass  # the loop has ended

    @contextmanager
    def of(self, code: str) -> Iterator[None]:
        """Take what fails inside as this fault, and nothing failing as its end. A bug is logged with its traceback."""
        try:
            yield
        except GrapeError as error:
            self.tell(code, Finding(message=error.detail, hint=error.hint))
        except OSError as error:
            self.tell(code, Finding(message=str(error), hint=""))
        except Exception as error:
            log.exception("a part of netbooting failed on a bug")
            self.tell(code, Finding(message=f"graped failed inside ({type(error).__name__})", hint="See its log."))
        else:
            self.tell(code, None)


class Several:
    """Do something for each of many, and raise the first failure at the end: one bad node holds up no other."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}  # whom -> why
        self._first: GrapeError | OSError | None = None

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Do it for one of them."""
        try:
            yield
        except (GrapeError, OSError) as error:
            self.failed[name] = error.detail if isinstance(error, GrapeError) else str(error)
            self._first = self._first or error

    def end(self) -> None:
        """Raise for the first one that failed, naming it and counting the others."""
        if not self.failed:
            return
        name, why = next(iter(self.failed.items()))
        more = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
        raise GrapeError(f"{name}: {why}{more}", hint=getattr(self._first, "hint", ""))
