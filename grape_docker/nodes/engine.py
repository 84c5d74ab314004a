"""A node's Docker by the SDK, over ``docker system dial-stdio`` on our own session with its pinned host key.

The SDK has an SSH adapter of its own; it reads ~/.ssh and takes keys and hosts from there.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import docker
import requests
import urllib3
import urllib3.connection
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.utils import compare_version
from requests.adapters import HTTPAdapter

from grape_docker.nodes.trouble import plain
from grape_docker.nodes.values import Engine
from graped.errors import SshError

if TYPE_CHECKING:
    import paramiko

    from grape_docker.nodes.remote import Remote

BASE: Final = "http://node.invalid"  # never resolved: the adapter has its connection already
INFO_S: Final = 60.0  # the socket of a dockerd that is starting takes the question and answers when it is up
JOIN_S: Final = 45.0  # dockerd itself gives up after 20 s


class NoAnswer(Exception):
    """No dockerd answers on the node; the sentence says why. ``silent``: it took the question and said nothing."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class NodeApi(docker.APIClient):
    """The SDK's client, one connection for all requests."""

    def __init__(self, dial: Callable[[], paramiko.Channel]) -> None:
        super().__init__(base_url=f"{BASE}:80", version=DEFAULT_DOCKER_API_VERSION, timeout=int(INFO_S))
        self.trust_env = False  # no proxy between us and our own channel
        self._dial_node = dial
        self._early: list[paramiko.Channel] = []
        self.mount("http://", _Adapter(self._dial))

    def dial_early(self) -> None:
        """Begin the connection that the first request will use. Raises: SshError."""
        self._early.append(self._dial_node())

    def hang_up(self) -> None:
        """Drop what was begun: it was answered by an engine that is another one now, or by none."""
        while self._early:
            self._early.pop().close()
        self.mount("http://", _Adapter(self._dial))

    def _dial(self) -> paramiko.Channel:
        return self._early.pop() if self._early else self._dial_node()

    def speak(self, version: str) -> None:
        """Use the newest version that both sides know: old ones are refused by new engines, and the other way round."""
        if compare_version(version, DEFAULT_DOCKER_API_VERSION) > 0:
            self._version = version


@contextlib.contextmanager
def opened(node: Remote) -> Iterator[NodeApi]:
    """Have a client for the time of a ``with``; connects with the first request."""
    api = NodeApi(node.dial)
    try:
        yield api
    finally:
        api.close()


def info(api: NodeApi) -> Engine:
    """Ask what the engine is and in which swarm; settles the version of the API, too. Raises: NoAnswer, SshError."""
    try:
        answer = api.get(f"{BASE}/info", timeout=INFO_S)
        answer.raise_for_status()
        said = answer.json()
        if not isinstance(said, dict):
            raise ValueError("its answer is no object")
    except (requests.RequestException, OSError, ValueError) as error:
        silent = isinstance(error, requests.Timeout)
        raise NoAnswer(f"Docker does not answer: {cause(error)}", silent=silent) from error
    version = answer.headers.get("Api-Version", DEFAULT_DOCKER_API_VERSION)
    api.speak(version)
    return engine_of(said, version)


def engine_of(said: dict[str, Any], api_version: str) -> Engine:
    """Read Docker's answer to /info. Pure. Source: Docker Engine API, SystemInfo and SwarmInfo."""
    swarm = _object(said.get("Swarm"))
    managers = swarm.get("RemoteManagers")
    return Engine(
        version=_word(said, "ServerVersion"),
        api_version=api_version,
        driver=_word(said, "Driver"),
        name=_word(said, "Name"),
        memory_limits=bool(said.get("MemoryLimit", True)),
        swarm_state=_word(swarm, "LocalNodeState") or "inactive",
        swarm_error=_word(swarm, "Error"),
        node_id=_word(swarm, "NodeID"),
        node_address=_word(swarm, "NodeAddr"),
        manager=bool(swarm.get("ControlAvailable")),
        managers=tuple(_word(_object(one), "Addr") for one in (managers if isinstance(managers, list) else ())),
        cluster_id=_word(_object(swarm.get("Cluster")), "ID"),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(values: dict[str, Any], key: str) -> str:
    return plain(str(values.get(key) or ""))


def cause(error: BaseException) -> str:
    """Find the innermost sentence of an error that requests and urllib3 have wrapped."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return str(error) or type(error).__name__


class _Connection(urllib3.connection.HTTPConnection):
    """HTTP on a channel instead of a socket."""

    def __init__(self, dial: Callable[[], paramiko.Channel], timeout_s: float | None) -> None:
        super().__init__("node.invalid", timeout=timeout_s)
        self._dial_node = dial

    def connect(self) -> None:
        try:
            channel = self._dial_node()
        except SshError as error:
            raise OSError(error.detail) from error
        channel.settimeout(self.timeout)
        self.sock = channel  # has makefile, sendall, settimeout, close: all that is used


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, dial: Callable[[], paramiko.Channel]) -> None:
        super().__init__("node.invalid", maxsize=1)
        self._dial_node = dial

    def _new_conn(self) -> _Connection:
        return _Connection(self._dial_node, INFO_S)

    def _get_conn(self, timeout: float | None = None) -> Any:
        """Give the connection that is there: urllib3 would poll it by its file descriptor, which a channel has not."""
        with contextlib.suppress(queue.Empty):
            found = self.pool.get(block=False) if self.pool is not None else None
            if found is not None:
                return found
        return self._new_conn()


class _Adapter(HTTPAdapter):
    def __init__(self, dial: Callable[[], paramiko.Channel]) -> None:
        super().__init__(max_retries=0)
        self._pool = _Pool(dial)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        return self._pool

    def get_connection(self, *_args: Any, **_kwargs: Any) -> Any:  # requests before 2.32
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()
