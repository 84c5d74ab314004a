"""A registry's folder; a real docker-registry on this machine's loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grape_docker.registry.place import Address, Place
from grape_docker.registry.prepare import prepare

WAIT_S = 20.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder in which nothing was prepared."""
    return Place(folder=tmp_path / "registry")


@pytest.fixture
def registry(place: Place) -> Iterator[Address]:
    """What nodes pull from."""
    if shutil.which("docker-registry") is None:
        pytest.skip("needs Debian's docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = Address(host="127.0.0.1", port=probe.getsockname()[1])
    prepare(place, address, name="master")
    child = subprocess.Popen(("docker-registry", "serve", str(place.config)))
    try:
        _wait(address, child)
        yield address
    finally:
        child.terminate()
        child.wait(WAIT_S)


def _wait(address: Address, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert child.poll() is None, "docker-registry does not start"
        with socket.socket() as probe:
            if probe.connect_ex((address.host, address.port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("docker-registry does not listen")
