"""Reach a node by TCP, have it prove its pinned host key, log in. What goes wrong is one error with one cause."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graped.errors import HostKeyChanged, SshDenied, SshError, SshFailed, SshRefused, SshTimeout, Untrusted
from graped.network.fingerprints import other_key

if TYPE_CHECKING:
    import paramiko

KEEPALIVE_S: Final = 5
MARGIN_S: Final = 0.05  # paramiko's timers end that much before ours at most
SILENT_MS: Final = 20_000  # a node that acknowledges nothing for so long is gone. Source: tcp(7), TCP_USER_TIMEOUT
_NO_WAY: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")  # how a key of type ssh-rsa signs today, RFC 8332
_log: Final = logging.getLogger("graped.network.ssh_login.transport")
_log.disabled = True  # paramiko tells each dead host with a traceback; here an error says it in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a node is met, as whom, and how it proves who it is: ``host_keys`` are "type base64"; () is refused."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    host_keys: tuple[str, ...] = ()


def log_in(endpoint: Endpoint, key: Path | None, password: str | None, timeout_s: float) -> paramiko.Transport:
    """Log in with ``key``, then with ``password``, whichever is given; blocks for at most about ``timeout_s``.

    Raises: Untrusted, HostKeyChanged, SshRefused, SshDenied, SshTimeout, SshFailed.
    """
    _refuse_unpinned(endpoint)
    attempt = _Attempt(endpoint, timeout_s)
    connection = attempt.dial()
    try:
        transport = attempt.greet(connection)
    except BaseException:
        connection.close()
        raise
    try:
        attempt.authenticate(transport, key, password)
    except BaseException:
        with contextlib.suppress(OSError):
            transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_S)
    return transport


def prove(endpoint: Endpoint, timeout_s: float) -> None:
    """Have a node prove a pinned key; nobody logs in. Raises as :func:`log_in` does, but SshDenied."""
    _refuse_unpinned(endpoint)
    attempt = _Attempt(endpoint, timeout_s)
    with attempt.dial() as connection:
        attempt.greet(connection).close()


def _refuse_unpinned(endpoint: Endpoint) -> None:
    if not endpoint.host_keys:
        hint = f"grapecli node trust {endpoint.name}"
        raise Untrusted(f"{endpoint.name}: no host key is pinned", hint=hint, node=endpoint.name)


def ask_only_for(transport: paramiko.Transport, host_keys: tuple[str, ...]) -> None:
    """Ask for keys of the pinned types alone: a host with one more key would else show that one."""
    types = [one.split()[0] for one in host_keys]
    options = transport.get_security_options()
    wanted = [name for kind in types for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    known = [name for name in wanted if name in options.key_types]
    if known:
        options.key_types = known


class _Attempt:
    """One login, with one deadline over all its steps."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._to = endpoint
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s

    def dial(self) -> socket.socket:
        """Connect by TCP."""
        place = (self._to.address, self._to.port)
        try:
            connection = socket.create_connection(place, self._timeout_s)
        except ConnectionRefusedError as error:
            hint = "Its SSH server does not run (yet), or listens on another port: ssh.port."
            raise self._error(SshRefused, f"port {self._to.port} of {self._to.address} is closed", hint) from error
        except TimeoutError as error:
            raise self._late(f"no answer from {self._to.address}") from error
        except OSError as error:
            if error.errno in _NO_WAY:
                raise self._error(SshTimeout, f"{self._to.address} is not on the network") from error
            raise self._error(SshFailed, f"cannot connect: {error.strerror or error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)
        return connection

    def greet(self, connection: socket.socket) -> paramiko.Transport:
        """Exchange keys: the host has proved a pinned one when this returns. paramiko runs a thread of its own."""
        import paramiko

        transport = paramiko.Transport(connection)
        try:
            transport.set_log_channel(_log.name)
            left_s = self._left_s()
            transport.banner_timeout = transport.handshake_timeout = left_s  # timers of their own, 15 s by default
            ask_only_for(transport, self._to.host_keys)
            transport.start_client(timeout=left_s)
            if not transport.initial_kex_done:
                raise self._late("it took the connection and did not finish the key exchange")
            self._judge(transport.get_remote_server_key())
        except BaseException as error:
            with contextlib.suppress(OSError):
                transport.close()
            if isinstance(error, (paramiko.SSHException, OSError, EOFError)):
                raise self._no_exchange(error) from error
            raise
        return transport

    def _no_exchange(self, error: Exception) -> SshError:
        import paramiko

        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            if "host key" in str(error):
                return self._changed("")
            return self._error(SshFailed, f"no common algorithms: {error}")
        if self._left_s() <= MARGIN_S:
            return self._late("it took the connection and said nothing that SSH says")
        return self._error(SshFailed, f"SSH broke off before it showed its key: {_words(error)}")

    def _judge(self, shown: paramiko.PKey) -> None:
        key = f"{shown.get_name()} {shown.get_base64()}"
        if key not in {" ".join(one.split()[:2]) for one in self._to.host_keys}:
            raise self._changed(key)

    def authenticate(self, transport: paramiko.Transport, key: Path | None, password: str | None) -> None:
        """Prove who we are."""
        ours = None if key is None else self._read(key)
        tried = []
        if ours is not None:
            tried.append("our key")
            self._try(transport, lambda: transport.auth_publickey(self._to.user, ours))
        if password is not None and not transport.is_authenticated():
            tried.append("the password")
            self._try(transport, lambda: transport.auth_password(self._to.user, password))
        if not transport.is_authenticated():
            what = f"it does not let {self._to.user} in with {' or '.join(tried) or 'nothing'}"
            raise self._error(SshDenied, what, f"grapecli node trust {self._to.name} puts the cluster's key there.")

    def _try(self, transport: paramiko.Transport, way: Callable[[], object]) -> None:
        """Try one way to log in; that it is refused is an answer."""
        import paramiko

        transport.auth_timeout = max(self._left_s(), MARGIN_S)
        try:
            way()
        except (paramiko.SSHException, OSError, EOFError) as error:
            if self._left_s() <= MARGIN_S:
                raise self._late("it did not answer while we logged in") from error
            refused = isinstance(error, paramiko.AuthenticationException)
            if not refused or not transport.is_active():
                raise self._error(SshFailed, f"SSH broke off while we logged in: {_words(error)}") from error

    def _read(self, key: Path) -> paramiko.PKey:
        import paramiko

        try:
            return paramiko.PKey.from_path(key)
        except OSError as error:
            raise self._error(SshFailed, f"cannot read our key {key}: {error.strerror}") from error
        except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, TypeError) as error:
            raise self._error(SshFailed, f"our key {key} cannot be used: {type(error).__name__}") from error

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _late(self, what: str) -> SshTimeout:
        return SshTimeout(f"{self._to.name}: {what} within {self._timeout_s:g} s", node=self._to.name)

    def _changed(self, key: str) -> HostKeyChanged:
        name = self._to.name
        hint = f"If it was installed anew, accept it: grapecli node trust {name}. Else find out who answers there."
        return HostKeyChanged(f"{name}: {other_key(self._to.host_keys, key).text}", hint=hint, node=name, key=key)

    def _error(self, kind: type[SshError], what: str, hint: str = "") -> SshError:
        return kind(f"{self._to.name}: {what}", hint=hint, node=self._to.name)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
