"""The swarm that tests of this suite share: booted once, handed on as each test found it, replaced after a failure."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.lab.conftest import why_not
from tests.lab.crowd import Crowd
from tests.lab.run import Run

Reporting = Generator[None, pytest.TestReport, pytest.TestReport]
FAILED = pytest.StashKey[bool]()


class Shared:
    """One crowd for as long as all is well with it."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._crowd: Crowd | None = None

    def get(self) -> Crowd:
        """Give the crowd; boot one where there is none."""
        if self._crowd is None:
            self._run = Run()
            self._crowd = Crowd(self._run)
            try:
                self._crowd.start()
            except BaseException as error:
                for name, said in self._crowd.journals().items():
                    error.add_note(f"--- {name}\n{said}")
                raise
        return self._crowd

    def drop(self) -> None:
        """End it, with all that it has made."""
        self._crowd = None
        if self._run is not None:
            self._run.close()
            self._run = None


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """Have a place for the crowd that tests share."""
    shared = Shared()
    yield shared
    shared.drop()


@pytest.fixture
def crowd(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """Give a master and three slaves (worker-0-[0-2]), shared with the tests before.

    At the beginning there is no service, graped and grape_docker run, and what is on is ready in the swarm; slaves may
    be on or off: ``crowd.up()`` and ``crowd.down()`` have them as a test wants them. A test that changes more than
    that (files, configuration, keys, tokens) puts it back, in a ``finally``. One that fails takes the crowd with it:
    the next test gets a new one.
    """
    if reason := why_not():
        pytest.skip(reason)
    try:
        crowd = shared.get()
    except BaseException:
        shared.drop()
        raise
    yield crowd
    if request.node.stash.get(FAILED, False):
        shared.drop()
        return
    try:
        crowd.tidy()
    except BaseException:
        shared.drop()
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what graped, grape_docker and Docker have said."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        crowd = getattr(item, "funcargs", {}).get("crowd")
        if isinstance(crowd, Crowd) and call.when == "call":
            report.sections.extend(crowd.journals().items())
    return report
