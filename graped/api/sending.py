"""Send a request whose body is a file of any length. Standard library alone."""

from __future__ import annotations

import select

from graped.api.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

PATIENCE_S = 600.0  # for a daemon that takes no more just now: its disk may be slow, others may be before us
_PIECE_BYTES = 1 << 20


def send(
    connection: Connection, head: bytes, stream: BinaryIO, size_bytes: int | None, progress: Callable[[int], None]
) -> tuple[int, dict[str, str]]:
    """Send ``head`` (with ``Expect: 100-continue``), and the body once it is wanted; return the head of the answer."""
    if connection.send(head):
        status, headers = connection.head()
        if status != 100:
            return status, headers
        connection.wait_at_most(PATIENCE_S)
        sent = 0
        for piece in _pieces(stream, size_bytes):
            framed = piece if size_bytes is not None else b"%x\r\n%s\r\n" % (len(piece), piece)
            if select.select((connection,), (), (), 0)[0] or not connection.send(framed):
                break  # it has answered, and wants no more
            sent += len(piece)
            progress(sent)
        else:
            if size_bytes is None:
                connection.send(b"0\r\n\r\n")
    return connection.final_head()


def _pieces(stream: BinaryIO, size_bytes: int | None) -> Iterator[bytes]:
    """Read a file to its end, or so much of it as was promised. Raises: OSError (it became shorter meanwhile)."""
    left = size_bytes
    while left is None or left > 0:
        piece = stream.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
        if not piece:
            break
        left = None if left is None else left - len(piece)
        yield piece
    if left:
        raise OSError(f"the file ended {left} bytes too early")
