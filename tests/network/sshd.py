"""A real sshd on loopback, without root's configuration, on a port of its own; and servers that are none."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/bin")
START_S = 10.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def sshd(folder: Path, host_keys: list[Path], *more: str) -> Iterator[int]:
    """Run sshd with these keys; yields its port. Started with ``-D``, so that it ends with its pid."""
    if SSHD is None:
        pytest.skip("no sshd: install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd drops its privileges to; a tmpfs loses it
    port = free_port()
    config = folder / "sshd_config"
    config.write_text("\n".join([f"HostKey {key}" for key in host_keys] + ["PidFile none", "UsePAM no", *more]) + "\n")
    argv = [SSHD, "-D", "-e", "-f", str(config), "-p", str(port), "-o", f"ListenAddress={LOOPBACK}"]
    with (folder / "sshd.log").open("w") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log)
    try:
        _wait_until_listening(child, port)
        yield port
    finally:
        child.terminate()
        child.wait(10)


def _wait_until_listening(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert child.poll() is None, "sshd has ended"
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("sshd does not listen")


@contextlib.contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Take one connection after the other and do ``talk`` with each; yields the port."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stop.set()
            thread.join(20)
