"""One HTTP/1.1 connection to the daemon's Unix socket: send a request, read its answer. Standard library alone."""

from __future__ import annotations

import _socket

from graped.errors import AccessDenied, TimedOut, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65536


class HungUp(Exception):
    """The other end closed the connection before a whole answer."""


class Connection:
    """One connection: send a request, read an answer of known length or in chunks."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self._socket = _connected(path, timeout_s)
        self._rest = b""

    def exchange(self, request: bytes, timeout_s: float) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its whole answer."""
        status, headers = self.begin(request, timeout_s)
        return status, headers, b"".join(self.pieces(status, headers))

    def begin(self, request: bytes, timeout_s: float) -> tuple[int, dict[str, str]]:
        """Send a request and read the head of its answer."""
        self._socket.settimeout(timeout_s)
        self.send(request)  # it may have answered (413) and hung up while we sent
        return self.final_head()

    def final_head(self) -> tuple[int, dict[str, str]]:
        """Read the head of the answer itself."""
        while True:
            status, headers = self.head()
            if status != 100:
                return status, headers

    def head(self) -> tuple[int, dict[str, str]]:
        """Read one head; 100 is not the answer yet."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(lines[0].split(" ", 2)[1]), headers

    def send(self, data: bytes) -> bool:
        """Send a part of a request; False where the other end hung up, perhaps after an answer."""
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise _late() from None
        except OSError:
            return False
        return True

    def fileno(self) -> int:
        """Tell the descriptor, for ``select``."""
        return self._socket.fileno()

    def pieces(self, status: int, headers: dict[str, str]) -> Iterator[bytes]:
        """Read the body as it comes."""
        if status == 204:
            return
        if "chunked" in headers.get("transfer-encoding", "").lower():
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                yield self._exactly(size)
                self._until(b"\r\n")
            self._until(b"\r\n")
        elif "content-length" in headers:
            yield self._exactly(int(headers["content-length"]))
        else:
            headers["connection"] = "close"
            yield self._rest
            while True:
                try:
                    yield self._more()
                except HungUp:
                    return

    def wait_at_most(self, seconds: float) -> None:
        """Bound each pause from now on."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        pieces, have = [self._rest], len(self._rest)
        while have < size:
            pieces.append(self._more())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self._rest = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise _late() from None
        except OSError as error:
            raise HungUp from error
        if not data:
            raise HungUp
        return data


def _connected(path: str, timeout_s: float) -> _socket.socket:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(path)
    except PermissionError as error:
        connection.close()
        raise AccessDenied(
            f"no access to {path}",
            hint='users of group grape may: sudo usermod -aG grape "$USER", then log in again',
        ) from error
    except TimeoutError as error:
        connection.close()
        raise _late() from error
    except OSError as error:
        connection.close()
        raise unreachable(path, str(error.strerror or error).lower()) from error
    return connection


def unreachable(path: str, why: str) -> Unreachable:
    """Say that nobody answers, and how to start somebody."""
    return Unreachable(
        f"nobody answers on {path}: {why}",
        hint="start it with: sudo systemctl start graped (or, to try it without hardware: graped --simulate)",
    )


def _late() -> TimedOut:
    return TimedOut("graped did not answer in time", hint="journalctl -u graped shows what it is doing")
