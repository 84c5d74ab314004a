"""``grapecli copy``: a file to many nodes at once."""

from __future__ import annotations

import os
import re

import click

from grapecli import working
from grapecli.frame import Command, pass_session
from graped.errors import GrapeError
from graped.terminal.failure import Interrupted
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json
    from grapecli.working import View


class NotReadable(GrapeError):
    """What was to be copied cannot be read."""

    code = "not_readable"
    title = "This cannot be read"


class _Mode(click.ParamType[str]):
    name = "mode"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take permissions as chmod does, in octal."""
        if re.fullmatch("0?[0-7]{3}", value) is None:
            self.fail(f"{value!r} is no octal mode such as 644 or 0755.", param, ctx)
        return value


@click.command("copy", cls=Command)
@click.option("--mode", type=_Mode(), metavar="644", help="Permissions on the nodes (default: those of the file).")
@working.options
@click.argument("file", type=click.Path())
@click.argument("to", metavar="NODESET:PATH")
@pass_session
def copy(session: Session, file: str, to: str, mode: str | None, wait: bool, timeout: float | None) -> int:
    """Copy a file to nodes, all at once: on each of them it is there whole, or as it was before.

    It is read with your rights and written as the user that graped logs in as (ssh.user, usually root). PATH is
    absolute; with "/" at its end the file keeps its name. At most 4 GiB.

    \b
      grapecli copy motd @all:/etc/
      grapecli copy --mode 755 job.sh worker-0-[0-3]:/usr/local/bin/job
    """
    nodes, path = split(to, os.path.basename(file))
    view = working.choose(session)
    try:
        job = _sent(session, file, nodes, path, mode, view)
    except BaseException:
        view.close()
        raise
    return working.finish(session, job, wait=wait, timeout=timeout, view=view)


def split(to: str, name: str) -> tuple[str, str]:
    """Split ``@stack:0:/etc/`` into nodes and file; ``name`` goes behind a folder. Raises: UsageError."""
    nodes, colon, path = to.partition(":/")
    if not colon or not nodes:
        raise click.UsageError(f"{to!r} is not NODESET:/PATH, e.g. worker-0-[0-3]:/etc/motd.")
    return nodes, f"/{path}{name}" if not path or path.endswith("/") else f"/{path}"


def _sent(session: Session, file: str, nodes: str, path: str, mode: str | None, view: View) -> Json:
    """Send it; the answer is the job that it became. Raises: NotReadable, Interrupted."""
    try:
        with open(file, "rb") as stream:
            status = os.fstat(stream.fileno())
            job: Json = session.client().upload(
                "/v1/copy",
                stream,
                size_bytes=status.st_size if os.path.isfile(file) else None,
                progress=lambda sent: view.show("upload", sent, status.st_size, "bytes"),
                nodes=nodes,
                to=path,
                mode=mode or f"{status.st_mode & 0o777:03o}",
            )
    except KeyboardInterrupt:
        raise Interrupted("The upload was broken off; nothing of it is kept.") from None
    except OSError as error:
        raise NotReadable(f"{file}: {error.strerror or error}") from error
    return job
