"""Start a server that nobody waits for: ``python -I launch.py PID_FILE OUTPUT PROGRAM [ARG...]``.

A program of its own, because the caller has threads and must not fork itself. The server's process writes its own
record before it becomes the server: there is never a server without a record, whenever graped is killed. Its parent
ends at once, so it belongs to init: neither graped's end nor its own leaves anything at graped.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: only what is beside it can be imported, and starts fast
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import record  # type: ignore[import-not-found, unused-ignore]
else:
    from graped.netboot.servers import record


def main(arguments: list[str]) -> int:
    """Fork, become the server, and tell the caller only whether that worked."""
    pid_file, output, *argv = arguments
    heard, said = os.pipe()  # closed by a successful exec; carries what went wrong otherwise
    os.set_inheritable(said, False)
    if os.fork() == 0:
        os.close(heard)
        _become(Path(pid_file), Path(output), tuple(argv), said)
    os.close(said)
    with os.fdopen(heard, "rb") as stream:
        problem = stream.read().decode(errors="replace")
    sys.stderr.write(problem)
    return 1 if problem else 0


def _become(pid_file: Path, output: Path, argv: tuple[str, ...], said: int) -> None:
    try:
        os.setsid()
        os.chdir("/")
        os.umask(0o022)
        for kind in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
            signal.signal(kind, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        words = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o640)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(words, 1)
        os.dup2(words, 2)
        record.write(pid_file, record.of_self(argv))
        os.execvp(argv[0], argv)  # noqa: S606  # no shell
    except BaseException as error:
        os.write(said, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
