"""Does a node answer on SSH, and with the pinned key? A dead or foreign host is an answer, not an error."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graped.network.ssh_login import ask_only_for

BANNER_BYTES: Final = 255  # RFC 4253, 4.2: a version line is no longer
LOOK_S: Final = 0.02
_NO_ROUTE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_log: Final = logging.getLogger("graped.network.ssh_probe.transport")
_log.disabled = True  # paramiko tells each dead host with a traceback; here that is an ordinary answer


class Found(StrEnum):
    """What a probe met."""

    UP = "up"  # SSH with the pinned key, or any key where none is pinned
    REFUSED = "refused"  # the machine is there, nobody listens
    NO_ROUTE = "no_route"  # no answer to ARP, or no way to that network
    TIMEOUT = "timeout"  # nothing came back
    NO_BANNER = "no_banner"  # somebody took the connection and is no SSH
    NO_KEY = "no_key"  # SSH that shows no key: it broke off, or hangs
    WRONG_KEY = "wrong_key"  # a key of the pinned type, and another one
    OTHER_KEY = "other_key"  # only keys of types that none is pinned of
    ERROR = "error"  # anything else; ``error`` says what


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found. ``key_matches`` is None where no key was seen or none is pinned."""

    found: Found
    banner: str = ""  # "SSH-2.0-OpenSSH_9.2p1 Debian-2"
    key_matches: bool | None = None
    key: str = ""  # "type base64" of the key that was shown
    error: str = ""  # one sentence for people; "" when up

    @property
    def up(self) -> bool:
        """Whether this is the evidence for the boot stage of that name."""
        return self.found is Found.UP


def probe(
    address: str, port: int, expected_keys: tuple[str, ...], timeout_s: float, *, connect_s: float | None = None
) -> Probe:
    """Ask one host; blocks for at most about ``timeout_s``. ``expected_keys`` are "type base64"; () pins nothing.

    ``connect_s``: how long it may take to connect, where less than ``timeout_s``: for a host that is just starting, a
    fresh try comes sooner than TCP's own next one.

    The key exchange is done, so that a host must own the key that it shows; nobody logs in. OpenSSH 9.8 and later
    shut out who connects without logging in more often than about once a second: ask every two seconds at most.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with socket.create_connection((address, port), connect_s or timeout_s) as connection:
            return _greet(connection, expected_keys, deadline)
    except OSError as error:
        return _no_connection(error)


def _no_connection(error: OSError) -> Probe:
    if isinstance(error, ConnectionRefusedError):
        return Probe(found=Found.REFUSED, error="the port is closed")
    if isinstance(error, TimeoutError):
        return Probe(found=Found.TIMEOUT, error="no answer")
    if error.errno in _NO_ROUTE:
        return Probe(found=Found.NO_ROUTE, error="the host is not on the network")
    return Probe(found=Found.ERROR, error=f"cannot connect: {error.strerror or error}")


def _greet(connection: socket.socket, expected: tuple[str, ...], deadline: float) -> Probe:
    banner = _peek_banner(connection, deadline)
    if not banner.startswith("SSH-"):
        said = "it said something else" if banner else "it said nothing"
        return Probe(found=Found.NO_BANNER, error=f"connected, but it is no SSH: {said}")
    return _exchange(connection, banner, expected, deadline)


def _peek_banner(connection: socket.socket, deadline: float) -> str:
    """Look at the first line and leave it for paramiko; "" where none comes in time."""
    seen = b""
    while b"\n" not in seen and len(seen) < BANNER_BYTES:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return ""
        connection.settimeout(left_s)
        try:
            more = connection.recv(BANNER_BYTES, socket.MSG_PEEK)
        except OSError:  # too late, or reset
            return ""
        if not more:
            return ""
        if more == seen:
            time.sleep(LOOK_S)  # the rest of the line is on its way, and a peek does not wait for it
        seen = more
    return seen.split(b"\n")[0].decode("ascii", "replace").strip()


def _exchange(connection: socket.socket, banner: str, expected: tuple[str, ...], deadline: float) -> Probe:
    """Have the host prove a key. paramiko runs a thread of its own; it has ended when this returns."""
    import paramiko

    transport = paramiko.Transport(connection)
    transport.set_log_channel(_log.name)
    left_s = max(0.1, deadline - time.monotonic())
    transport.banner_timeout = transport.handshake_timeout = left_s  # each has a timer of its own, 15 s by default
    try:
        if expected:
            ask_only_for(transport, expected)
        transport.start_client(timeout=left_s)
        shown = transport.get_remote_server_key()  # raises where the exchange did not end in time
    except paramiko.ssh_exception.IncompatiblePeer as error:
        if "host key" in str(error) and expected:
            return Probe(
                found=Found.OTHER_KEY,
                banner=banner,
                key_matches=False,
                error="its host keys are of other types than the pinned ones",
            )
        return Probe(found=Found.NO_KEY, banner=banner, error=f"no common algorithms: {error}")
    except (paramiko.SSHException, OSError, EOFError) as error:
        return Probe(found=Found.NO_KEY, banner=banner, error=f"SSH broke off before it showed its key: {error}")
    finally:
        with contextlib.suppress(OSError):
            transport.close()
    return _judge(banner, f"{shown.get_name()} {shown.get_base64()}", expected)


def _judge(banner: str, key: str, expected: tuple[str, ...]) -> Probe:
    if not expected:
        return Probe(found=Found.UP, banner=banner, key=key)
    if key in {" ".join(one.split()[:2]) for one in expected}:
        return Probe(found=Found.UP, banner=banner, key_matches=True, key=key)
    return Probe(
        found=Found.WRONG_KEY, banner=banner, key_matches=False, key=key, error="its host key is not the pinned one"
    )
