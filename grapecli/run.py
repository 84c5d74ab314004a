"""``grapecli run``: a command on many nodes at once."""

from __future__ import annotations

import sys
import time

import click

from grapecli import exits, follow, gathered, working
from grapecli.frame import Command, complete_nodes, pass_session, span
from graped.errors import GrapeError
from graped.terminal.asking import ask
from graped.terminal.failure import Interrupted, Refused
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from grapecli.words import Json
    from grapecli.working import View

STDIN_BYTES = 32 * 1024
TIMEOUT_S = 60.0
FANOUT = 32
SHOW_S = 1.0


class NotKept(GrapeError):
    """What was asked for is not there any more."""

    code = "not_kept"
    title = "The results are not kept any more"


@click.command("run", cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--timeout", type=span, default=TIMEOUT_S, metavar="S",
              help="End it on a node after so long, with logging in (default: 60).")  # fmt: skip
@click.option("--fanout", type=click.IntRange(1, 128), default=FANOUT, metavar="N",
              help="So many nodes at the same time (default: 32).")  # fmt: skip
@click.option("--no-fold", "-l", is_flag=True, help="Print each line behind its node's name, as nodes end.")
@click.option("--stdin", is_flag=True, help="Give our stdin to the command on each node (at most 32 KiB).")
@click.argument("nodeset", metavar="NODESET", shell_complete=complete_nodes)
@click.argument("argv", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def run(
    session: Session,
    nodeset: str,
    argv: tuple[str, ...],
    timeout: float,
    fanout: int,
    no_fold: bool,
    stdin: bool,
) -> int:
    """Run a command on nodes, all at once, over SSH; nodes that say the same are shown once.

    Its words are joined by blanks and given to the login shell of each node, as ssh does. graped logs in, with the
    key of the cluster. The event log keeps the command line, who gave it, and what became of it on each node: no
    secrets in it. Of each node at most 256 KiB of stdout and as much of stderr are kept. Exit code 1 where it failed
    on a node. Ctrl-C asks whether the commands are to be ended.

    \b
      grapecli run @all -- uptime
      grapecli run worker-0-[0-3] -- 'df -h / | tail -1'
      grapecli run --stdin @stack:0 -- 'cat > /etc/motd' < motd
    """
    words = argv[1:] if argv[0] == "--" else argv
    if not words:
        raise click.UsageError("COMMAND is missing.")
    body = {"nodes": nodeset, "command": " ".join(words), "timeout_s": timeout, "fanout": fanout}
    if stdin:
        body["stdin"] = _stdin()
    job = session.client().post("/v1/run", body)
    ends = _Ends(session, job)
    try:
        for node in ends.each():
            if no_fold and not session.json:
                ends.hide()
                gathered.show_lines(session, node)
    finally:
        ends.hide()
    return _tell(session, job, ends.nodes, no_fold=no_fold)


class _Ends:
    """The ends of a command on nodes, as they come; ``nodes`` has all that came, in the order in which they ended."""

    def __init__(self, session: Session, job: Json) -> None:
        self._session = session
        self._job = job
        self._last = 0
        self._view: View | None = None
        self._began = time.monotonic()
        self.nodes: list[Json] = []

    def each(self) -> Iterator[Json]:
        """Yield each end. Raises: Interrupted (the job goes on), NotKept, Unreachable."""
        while True:
            try:
                told = self._ask()
            except KeyboardInterrupt:
                self.hide()
                end_or_leave(self._session, self._job)
                continue
            if not told["kept"]:
                raise NotKept(f"What job {self._job['id']} said is not kept: graped was restarted.",
                              hint="grapecli jobs show tells how it ended on each node.")  # fmt: skip
            self.nodes += told["nodes"]
            self._show(told["total"])
            yield from told["nodes"]
            if told["ended"]:
                return

    def hide(self) -> None:
        """Leave the terminal for what is data."""
        if self._view is not None:
            self._view.close()

    def _ask(self) -> Json:
        """Ask for what came; the first time not for long: what takes no second needs no bar."""
        wait_s = SHOW_S if self._view is None else follow.POLL_S
        path = f"/v1/jobs/{self._job['id']}/results"
        told: Json = follow.ask(
            self._session.client(), follow.Deadline(None), path, after=self._last, wait_s=wait_s
        )  # fmt: skip
        self._last = told["last"]
        return told

    def _show(self, total: int) -> None:
        if self._view is None:
            if time.monotonic() - self._began < SHOW_S:
                return
            quiet = self._session.json or not sys.stderr.isatty()  # a script has no use for lines about it
            self._view = working.Silent() if quiet else working.choose(self._session)
        self._view.show("run", len(self.nodes), total, "nodes")


def end_or_leave(session: Session, job: Json) -> None:
    """Ask at Ctrl-C whether a job is to end: then cancel it. Raises: Interrupted, and the job goes on."""
    try:
        sys.stderr.write("\n")
        if session.terminal and ask(f"End job {job['id']} on all nodes? Else it goes on without us."):
            session.client().post(f"/v1/jobs/{job['id']}/cancel")
            return
    except KeyboardInterrupt:
        pass
    raise Interrupted(f"Job {job['id']} goes on.", hint=follow.job_hint(job))


def _tell(session: Session, job: Json, nodes: list[Json], *, no_fold: bool) -> int:
    """Tell what all said. Returns the exit code."""
    order = {task["name"]: at for at, task in enumerate(job["tasks"])}
    nodes = sorted(nodes, key=lambda node: order[node["name"]])
    if session.json:
        session.print_json({"job": job["id"], "nodes": nodes})
    elif no_fold:
        gathered.show_failed(session, nodes)
    else:
        gathered.show_folded(session, nodes)
    return exits.OK if all(node["code"] == 0 for node in nodes) else exits.FAILED


def our_stdin() -> BinaryIO:
    """Our stdin, in bytes."""
    return sys.stdin.buffer


def _stdin() -> str:
    """Read our stdin whole, as base64. Raises: Refused."""
    import base64

    data = our_stdin().read(STDIN_BYTES + 1)
    if len(data) > STDIN_BYTES:
        raise Refused(f"stdin is over {STDIN_BYTES // 1024} KiB.", hint="Send it as a file: grapecli copy")
    return base64.b64encode(data).decode()
