"""The probe against a real sshd and against hosts that are dead, silent, slow, or somebody else."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graped.network.ssh_keys import KeyRing
from graped.network.ssh_probe import Found, probe
from tests.network.conftest import NODE, OTHER, PATIENCE_S
from tests.network.sshd import LOOPBACK, free_port, server, sshd

SHORT_S = 1.5  # time for an answer, also on a busy machine
SLACK_S = 8.0


def test_the_right_node_is_up(ring: KeyRing, port: int) -> None:
    found = probe(LOOPBACK, port, ring.public_keys(NODE), PATIENCE_S)
    assert found.found is Found.UP, found
    assert found.up
    assert found.key_matches is True
    assert found.banner.startswith("SSH-2.0-OpenSSH")
    assert found.key == ring.public_keys(NODE)[0]
    assert found.error == ""


def test_each_pinned_type_is_enough(ring: KeyRing, port: int) -> None:
    for key in ring.public_keys(NODE):
        assert probe(LOOPBACK, port, (f"{key} with a comment",), PATIENCE_S).up


def test_nothing_pinned_is_up_without_a_verdict(port: int) -> None:
    found = probe(LOOPBACK, port, (), PATIENCE_S)
    assert found.up
    assert found.key_matches is None
    assert found.key.startswith("ssh-ed25519 ")


def test_another_node_is_told(ring: KeyRing, port: int) -> None:
    found = probe(LOOPBACK, port, ring.public_keys(OTHER), PATIENCE_S)
    assert found.found is Found.WRONG_KEY
    assert found.key_matches is False
    assert found.key == ring.public_keys(NODE)[0], "so that a person can look at it"


def test_keys_of_other_types_are_told_apart(ring: KeyRing, tmp_path: Path) -> None:
    only = [ring.host_keys(NODE) / "ssh_host_ecdsa_key"]
    with sshd(tmp_path, only) as port:
        found = probe(LOOPBACK, port, ring.public_keys(NODE)[:1], PATIENCE_S)
    assert found.found is Found.OTHER_KEY
    assert found.key_matches is False


def test_a_host_without_a_common_algorithm_is_no_other_node(ring: KeyRing, tmp_path: Path) -> None:
    keys = [ring.host_keys(NODE) / "ssh_host_ed25519_key"]
    with sshd(tmp_path, keys, "KexAlgorithms diffie-hellman-group18-sha512", "Ciphers chacha20-poly1305@openssh.com") as port:  # fmt: skip  # noqa: E501
        found = probe(LOOPBACK, port, ring.public_keys(NODE), PATIENCE_S)
    assert found.found is Found.NO_KEY
    assert found.key_matches is None


def test_a_closed_port_is_refused(ring: KeyRing) -> None:
    assert probe(LOOPBACK, free_port(), ring.public_keys(NODE), PATIENCE_S).found is Found.REFUSED


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")
def test_no_way_to_a_host() -> None:
    code = "from graped.network.ssh_probe import probe; print(probe('10.77.0.11', 22, (), 5).found)"
    argv = ["unshare", "--net", sys.executable, "-c", code]
    assert subprocess.run(argv, capture_output=True, text=True, timeout=30).stdout.strip() == Found.NO_ROUTE


def test_a_full_backlog_is_a_timeout(ring: KeyRing) -> None:
    """A port whose queue is full drops what comes next, as a machine that hangs does."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        place = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(place)
        began = time.monotonic()
        assert probe(LOOPBACK, place[1], ring.public_keys(NODE), SHORT_S).found is Found.TIMEOUT
        assert time.monotonic() - began < SHORT_S + SLACK_S


def wait_for_hangup(connection: socket.socket) -> None:
    connection.settimeout(PATIENCE_S)
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def silent(connection: socket.socket) -> None:
    wait_for_hangup(connection)


def hangs_up(connection: socket.socket) -> None:
    del connection


def web(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def endless(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(2000):
            connection.sendall(b"\x00" * 4096)


def trickle(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(400):
            connection.sendall(b"S")
            time.sleep(0.05)


def banner_then_nothing(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-Hung\r\n")
    wait_for_hangup(connection)


def banner_then_garbage(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-Broken\r\n" + b"\xff" * 4096)
    wait_for_hangup(connection)


@pytest.mark.parametrize(
    ("talk", "found"),
    [
        (silent, Found.NO_BANNER),
        (hangs_up, Found.NO_BANNER),
        (web, Found.NO_BANNER),
        (endless, Found.NO_BANNER),
        (trickle, Found.NO_BANNER),
        (banner_then_nothing, Found.NO_KEY),
        (banner_then_garbage, Found.NO_KEY),
    ],
)
def test_hosts_that_are_no_node_are_answers_in_time(
    ring: KeyRing, talk: Callable[[socket.socket], None], found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    threads = threading.active_count()
    with caplog.at_level(logging.DEBUG), server(talk) as port:
        began = time.monotonic()
        seen = probe(LOOPBACK, port, ring.public_keys(NODE), SHORT_S)
        assert time.monotonic() - began < SHORT_S + SLACK_S
    assert seen.found is found, seen
    assert seen.key_matches is None
    assert not caplog.records, "a dead host is an answer, not a line in the log"
    deadline = time.monotonic() + PATIENCE_S
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= threads, "paramiko's thread has ended"  # one of before may have ended too
