"""Docker on the master: the SDK's client, made when it is needed, its errors told in ours."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException
from docker.errors import NotFound as DockerNotFound

from grape_docker.swarm.errors import (
    DockerDenied,
    DockerError,
    DockerUnreachable,
    NotManager,
    SwarmBusy,
    SwarmLocked,
)
from graped.errors import GrapeError, NotFound

DEFAULT_URL = "unix:///var/run/docker.sock"
TIMEOUT_S = 20.0  # a manager answers at once, or after its store's own 10 s where it lost its quorum
START_HINT = "Start Docker on the master: systemctl start docker."
GROUP_HINT = "Put the user into the group docker, and log in again."

T = TypeVar("T")


class Engine:
    """One Docker engine. Used from many threads: each has a client of its own, because a session is not shared."""

    def __init__(self, base_url: str = DEFAULT_URL, *, timeout_s: float = TIMEOUT_S) -> None:
        self.base_url = base_url
        self._timeout_s = timeout_s
        self._local = threading.local()

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, and so has its addresses."""
        return self.base_url.startswith(("unix:", "/"))

    def call(self, doing: str, work: Callable[[Any], T]) -> T:
        """Do ``work`` with a ``docker.APIClient`` (whose stubs are incomplete); ``doing`` says for people what it is.

        Raises DockerUnreachable, DockerDenied, NotManager, SwarmLocked, SwarmBusy, NotFound, DockerError.
        """
        try:
            return work(self.client())
        except (DockerException, requests.RequestException, OSError) as error:
            raise self.told(doing, error) from error

    def client(self) -> docker.APIClient:
        """Return this thread's client; asks the engine for its API version the first time."""
        made: docker.APIClient | None = getattr(self._local, "client", None)
        if made is None:
            made = docker.APIClient(base_url=self.base_url, version="auto", timeout=self._timeout_s)  # type: ignore[arg-type]
            self._local.client = made
        return made

    def forget(self) -> None:
        """Close this thread's connections; the next call makes new ones."""
        made: docker.APIClient | None = getattr(self._local, "client", None)
        self._local.client = None
        if made is not None:
            made.close()

    def told(self, doing: str, error: Exception) -> GrapeError:
        """Return what an error of the SDK means, and forget the client where the engine may have changed."""
        if isinstance(error, APIError):
            return _refused(doing, error)
        self.forget()
        return _unreachable(doing, self.base_url, error)


def _refused(doing: str, error: APIError) -> GrapeError:
    said = str(error.explanation or error)
    words = said.lower()
    if isinstance(error, DockerNotFound):
        return NotFound(f"{doing}: {said}")
    if "needs to be unlocked" in words:
        return SwarmLocked(f"{doing}: the swarm is locked", hint="Run: docker swarm unlock.")
    if "not a swarm manager" in words or "not part of a swarm" in words:
        return NotManager(f"{doing}: {said}", hint="See what the master is in: docker info.")
    if any(sign in words for sign in BUSY_SIGNS):
        return SwarmBusy(f"{doing}: {said}", hint="More than half of the managers must be up.")
    hint = "Set docker.advertise to the master's address on the cluster's network." if "advertise" in words else ""
    return DockerError(f"{doing}: {said}", hint=hint)


BUSY_SIGNS = ("does not have a leader", "deadline exceeded", "no quorum", "raft", "is starting", "unavailable")


def _unreachable(doing: str, base_url: str, error: Exception) -> GrapeError:
    cause = next((each.errno for each in causes(error) if isinstance(each, OSError) and each.errno), None)
    if cause in (errno.EACCES, errno.EPERM):
        return DockerDenied(f"{doing}: not allowed to use {base_url}", hint=GROUP_HINT)
    if cause == errno.ENOENT:
        return DockerUnreachable(f"{doing}: there is no socket at {base_url}", hint=START_HINT)
    if cause == errno.ECONNREFUSED:
        return DockerUnreachable(f"{doing}: nobody listens on {base_url}", hint=START_HINT)
    if any(isinstance(each, (requests.Timeout, TimeoutError)) for each in causes(error)):
        return DockerUnreachable(f"{doing}: {base_url} did not answer in time", hint="Look at: journalctl -u docker.")
    return DockerUnreachable(f"{doing}: {base_url}: {error}", hint=START_HINT)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk an exception and what is wrapped in it: the SDK and requests hide the errno in args and contexts."""
    pending: list[Any] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [*each.args, each.__cause__, each.__context__]
