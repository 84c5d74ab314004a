"""What tests of this suite share: a run for each module, and what everybody has said when one fails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial

import pytest

from tests.lab.cluster import Cluster
from tests.lab.conftest import why_not
from tests.lab.run import Run
from tests.lab.ward import Ward

Wards = Callable[..., Ward]


@pytest.fixture(scope="module")
def shift() -> Iterator[Run]:
    """Give a run of the lab for all tests of a module; skip where this machine is no lab."""
    if reason := why_not():
        pytest.skip(reason)
    with Run() as run:
        yield run


@pytest.fixture(scope="module")
def wards(shift: Run) -> Wards:
    """Make wards: ``wards(pis=2, cards=1, more=QUICK + ...)``, begun, all slots off.

    A module makes one, in a fixture of its own (``ward``, scope="module"), and its tests hand it on in good order.
    """

    def make(shift: Run, **what: object) -> Ward:
        ward = Ward(shift, **what)  # type: ignore[arg-type]
        try:
            ward.begin()
        except BaseException as error:
            for name, said in ward.journals().items():
                error.add_note(f"--- {name}\n{said}")
            raise
        return ward

    return partial(make, shift)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what graped and the machines have said."""
    report = yield
    ward = getattr(item, "funcargs", {}).get("ward")
    if report.failed and isinstance(ward, Cluster) and call.when == "call":
        report.sections.extend(ward.journals().items())
    return report
