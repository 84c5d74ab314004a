"""One graped for all tests of a module: it takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.daemon.house import House


@pytest.fixture(scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as one:
        yield one


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    """graped on a rack whose nodes are off, a Docker in no swarm, and grape_docker not begun yet."""
    _house.fresh()
    try:
        yield _house
    finally:
        _house.tidy()
