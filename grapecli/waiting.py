"""Wait for an accepted job, and for the boot of its nodes: show progress, print the folded result."""

from __future__ import annotations

from grapecli import exits, follow, progress, result
from graped.errors import TimedOut, Unreachable
from graped.terminal.failure import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.result import Entry
    from grapecli.words import Json
    from graped.api.client import Client
    from graped.terminal.session import Session


class Wait:
    """What is known so far of a job and its nodes, kept so that it can be told when time runs out."""

    def __init__(self, client: Client, job: Json, view: progress.View, deadline: follow.Deadline) -> None:
        self.client = client
        self.job = job
        self.view = view
        self.deadline = deadline
        self.nodes: dict[str, Json] = {}
        self.verdicts: dict[str, tuple[str, str] | None] = {}

    def power(self) -> None:
        """Wait until every slot's power is verified on the wire, or failed."""
        for job in follow.job(self.client, self.job, self.deadline):
            self.job = job
            self.view.show({task["name"]: progress.of_task(task) for task in job["tasks"]})

    def boot(self) -> None:
        """Wait until each node that was switched on is up, or cannot come up any more."""
        names = [name for name, word, reason in result.of_job(self.job) if word == "on" and not reason]
        for nodes in follow.boot(self.client, names, self.deadline, self.view.every_s) if names else ():
            self.nodes = nodes
            self.verdicts = {name: follow.judge_boot(nodes.get(name)) for name in names}
            self.view.show({name: progress.of_node(nodes.get(name), self.verdicts[name]) for name in names})
            if all(self.verdicts.values()):
                return

    def entries(self) -> list[Entry]:
        """Tell each node: what its verdict says where it has one, else what the job says."""
        return [self._entry(entry) for entry in result.of_job(self.job)]

    def _entry(self, entry: Entry) -> Entry:
        name = entry[0]
        if name not in self.verdicts:
            return entry
        verdict = self.verdicts[name]
        stage = self.nodes[name]["stage"] if verdict is None else None
        return (name, "on", f"still {stage}") if verdict is None else (name, *verdict)


def wait(session: Session, job: Json, deadline: follow.Deadline, *, up: bool) -> int:
    """Wait for a job, and with ``up`` for its nodes. Returns the exit code.

    Raises TimedOut and Unreachable, after telling what is known.
    """
    waiting = Wait(session.client(), job, progress.choose(session), deadline)
    try:
        waiting.power()
        if up:
            waiting.boot()
    except (TimedOut, Unreachable):
        waiting.view.close()
        _tell(session, waiting, up=up)
        raise
    except KeyboardInterrupt:
        raise _interrupted(waiting.job) from None
    finally:
        waiting.view.close()
    _tell(session, waiting, up=up)
    failed = waiting.job["outcome"] != "done" or any(reason for _name, _word, reason in waiting.entries())
    return exits.FAILED if failed else exits.OK


def _interrupted(job: Json) -> Interrupted:
    """Say what goes on although nobody waits for it any more."""
    if job["outcome"] in follow.ENDED:
        return Interrupted("The power is switched; the nodes go on booting.", hint=follow.BOOT_HINT)
    return Interrupted(f"Job {job['id']} goes on.", hint=follow.job_hint(job))


def _tell(session: Session, waiting: Wait, *, up: bool) -> None:
    """Print the job (with its nodes, after their boot), or the folded result."""
    for line in result.hard(waiting.job):
        session.note(line)
    if not session.json:
        session.print(result.line(waiting.entries(), session.paint()))
    elif up:
        session.print_json({**waiting.job, "nodes": list(waiting.nodes.values())})
    else:
        session.print_json(waiting.job)
