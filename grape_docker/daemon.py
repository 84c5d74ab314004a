"""The composition root: lock, key, threads that listen, the loop; signals and systemd."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grape_docker import listening
from grape_docker.acting import Hands
from grape_docker.guard import Guard
from grape_docker.identity import ensure_key
from grape_docker.inbox import Inbox, Stop
from grape_docker.keeping import LOCK
from grape_docker.loop import Loop
from grape_docker.model import Settings
from grape_docker.registry.place import Place
from grape_docker.swarm.engine import DEFAULT_URL
from grape_docker.swarm.manager import Manager
from grape_docker.work import Workshop
from graped import logs
from graped.api.client import Client
from graped.errors import GrapeError, SocketInUse
from graped.notify import Notifier

log = logging.getLogger("grape_docker")

PATIENCE_S = 15.0  # after that it ends whatever it waits for
SETTLE_S = 5.0  # a join that is going on is given so long at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line. ``once``: end as soon as there is nothing to do that can be done now."""

    room: Path
    socket: str | None = None
    docker: str = DEFAULT_URL
    once: bool = False
    log_level: str = "info"


class StateUnusable(GrapeError):
    """The state folder cannot be used by this user."""

    code = "state_unusable"
    title = "The state folder cannot be used"


def run(options: Options) -> int:
    """Run until told to stop; return 0, or with ``once`` 1 where a node is not as it should be.

    Raises: SocketInUse (another one runs), KeyUnusable, StateUnusable; with ``once`` what graped and
    Docker raise.
    """
    logs.set_up(options.log_level)
    for noisy in ("paramiko", "urllib3", "docker"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what goes wrong there is told by us, with its cause
    try:
        options.room.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnusable(f"{options.room}: {error.strerror}", hint="Give another one: --state-dir DIR.") from error
    with _locked(options.room / LOCK):
        return _serve(options)


def _serve(options: Options) -> int:
    inbox, stop = Inbox(), threading.Event()
    notifier = Notifier()
    key = ensure_key(options.room)
    manager = Manager(Settings(), options.docker)

    def client() -> Client:
        return Client(options.socket)

    loop = Loop(
        inbox=inbox,
        client=client(),
        manager=manager,
        hands=Hands(client, manager, key, Place(folder=options.room / "registry")),
        workshop=Workshop(inbox),
        guard=None if options.once else Guard(client()),
        room=options.room,
        key=key,
        notifier=notifier,
        once=options.once,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(inbox))
    if not options.once:
        listening.start(inbox, client, manager, stop)
    try:
        return loop.run()
    finally:
        stop.set()
        notifier.send("STOPPING=1")
        loop.close(SETTLE_S)
        log.info("stopped; the swarm goes on as it is")


def _stop(inbox: Inbox) -> None:
    """Ask for the end. A Docker that does not answer keeps it no longer than that: all that matters is on disk."""
    inbox.put(Stop())
    patience = threading.Timer(PATIENCE_S, os._exit, (0,))
    patience.daemon = True
    patience.start()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the state folder: two daemons must never work on the same nodes. Raises: SocketInUse."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateUnusable(f"{path}: {error.strerror}", hint="Run it as the user of this folder.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        hint = "stop it first (systemctl stop grape_docker), or give another --state-dir"
        raise SocketInUse(f"another grape_docker holds {path}", hint=hint) from error
    try:
        yield
    finally:
        os.close(descriptor)
