"""A second docker-registry, which may write: on this machine's loopback, for one push, with a password for once.

What nodes pull from is read-only, so that no node can put an image under a name that others run.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from grape_docker.registry import configuration
from grape_docker.registry.errors import NoRegistry, RegistryError
from grape_docker.registry.place import INNER_MODE, PREPARE_HINT, Place
from graped.files import write_atomic
from graped.runner import Runner

PROGRAM = "docker-registry"
INSTALL_HINT = "Install it: apt install docker-registry (grape-setup --registry does)."
GROUP_HINT = "Run this as root, or as a member of the group docker."
START_S = 20.0  # 0.05 s on a PC
SWEEP_S = 600.0  # reads each manifest once
LOCK_S = 60.0
ROUNDS = 4  # of bcrypt, its least: a password of 256 bits that lives for one push needs no slow hash
USER = "grape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A registry that takes images: ``host`` is its part of their names."""

    host: str
    user: str = USER
    password: str = field(repr=False)


@contextmanager
def writing(place: Place, *, program: str = PROGRAM) -> Iterator[Writer]:
    """Start a registry to write to, and end it. Raises NoRegistry, RegistryError (cannot be started, no rights)."""
    with locked(place, alone=False), tempfile.TemporaryDirectory(prefix="grape-push-") as room:
        port, password = _free_port(), secrets.token_urlsafe(32)
        config = _written(place, Path(room), port, password)
        child = _start(program, config, Path(room) / "log")
        try:
            _wait(child, port, Path(room) / "log")
            yield Writer(host=f"127.0.0.1:{port}", password=password)
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            share(place)


def share(place: Place) -> None:
    """Let the group write into the folders that are ours: docker-registry makes some of them 0755, whatever the umask.

    What another user's push leaves so, if it is killed, that user's next one or root's puts right.
    """
    user = os.geteuid()
    for above, _, _, folder in os.fwalk(place.data):
        status = os.fstat(folder)
        if above != str(place.data) and user in (0, status.st_uid) and status.st_mode & INNER_MODE != INNER_MODE:
            os.fchmod(folder, INNER_MODE)


def sweep(place: Place, runner: Runner, *, program: str = PROGRAM) -> None:
    """Remove what no image needs any more, while nobody pushes. Raises NoRegistry, RegistryError, CommandFailed."""
    with locked(place, alone=True):
        runner.run((program, "garbage-collect", str(place.config)), timeout_s=SWEEP_S)


@contextmanager
def locked(place: Place, *, alone: bool) -> Iterator[None]:
    """Hold the lock of the images' folder: many may write at once, one alone may sweep."""
    try:
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoRegistry(f"no registry was prepared in {place.folder}", hint=PREPARE_HINT) from None
    except OSError as error:
        raise RegistryError(f"cannot change {place.data}: {error.strerror}", hint=GROUP_HINT) from error
    try:
        _lock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> None:
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise RegistryError("somebody else is changing the registry", hint="Try again later.") from None
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _written(place: Place, room: Path, port: int, password: str) -> Path:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()
    passwords, config = room / "passwords", room / "config.yml"
    write_atomic(passwords, f"{USER}:{hashed}\n", mode=0o600, sync=False)
    text = configuration.writing(place, port=port, secret=secrets.token_hex(32), passwords=passwords)
    write_atomic(config, text, mode=0o600, sync=False)
    return config


def _start(program: str, config: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start it beside us; it ends when we do, and its files are the group's."""
    with log.open("wb") as out:
        try:
            return subprocess.Popen(
                (program, "serve", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                umask=0o002,  # the folder of all is the group's; the registry that hands them out is not in it
                start_new_session=True,
            )
        except FileNotFoundError:
            raise RegistryError(f"cannot run {program}: no such program", hint=INSTALL_HINT) from None
        except OSError as error:
            raise RegistryError(f"cannot run {program}: {error.strerror}") from error


def _wait(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    said = " / ".join(log.read_text(errors="replace").strip().splitlines()[-2:])
    raise RegistryError(f"docker-registry does not start: {said or 'it said nothing'}", hint=GROUP_HINT)
