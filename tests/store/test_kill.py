"""SIGKILL of real processes: what was acknowledged is there, and no id is used twice."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

CHILD = """
import asyncio, sys
from pathlib import Path
from graped.clock import SystemClock
from graped.core.jobs import Job, Task
from graped.model import SlotId, Verb
from graped.store.store import Store

async def main():
    clock = SystemClock()
    store = await Store.open(Path(sys.argv[1]), clock)
    assert store.fault is None, store.fault
    memory = store.remembered()
    print("start", memory.ports.get(0, -1), int(memory.clean_stop), flush=True)
    number = store.next_job
    value = memory.ports.get(0, 0)
    while True:
        slot = SlotId(0, 0)
        job = Job(id=number, verb=Verb.ON, by="test", asked=clock.monotonic(), tasks={slot: Task(slot=slot)})
        print("job", number, flush=True)
        print("event", store.journal.append("job.accepted", "x", job=number).id, flush=True)
        value += 1
        await store.record_write([job], 0, value)
        print("recorded", value, number, flush=True)
        number += 1

asyncio.run(main())
"""

KILLS = 8
RECORD_LINES = 3  # what the child tells of a record


def lines_until_killed(path: Path, dice: random.Random, told: int) -> list[list[str]]:
    """Run the child until it has told so many lines, and a moment longer."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = "".join(child.stdout.readline() for _ in range(1 + told))  # the first line: it is open
    time.sleep(dice.uniform(0.0, 0.01))
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    text = first + rest
    return [line.split() for line in text[: text.rfind("\n")].split("\n")]


def test_no_kill_loses_a_record_or_repeats_an_id(tmp_path: Path) -> None:
    path, dice = tmp_path / "grape.db", random.Random(4)
    jobs: set[int] = set()
    events: set[int] = set()
    acknowledged, last_job = -1, 0
    for turn in range(KILLS):
        told = dice.randrange(30 * RECORD_LINES) if turn < KILLS - 1 else RECORD_LINES
        lines = lines_until_killed(path, dice, told)
        word, port, clean = lines[0]
        assert word == "start"
        assert clean == str(int(turn == 0))
        if acknowledged >= 0:
            assert int(port) in (acknowledged, acknowledged + 1)  # the one in flight may have made it
            acknowledged = int(port)
        for word, *numbers in lines[1:]:
            with contextlib.suppress(IndexError):
                number = int(numbers[0])
                match word:
                    case "job":
                        assert number not in jobs
                        jobs.add(number)
                    case "event":
                        assert number not in events
                        events.add(number)
                    case "recorded":
                        acknowledged, last_job = number, int(numbers[1])
    assert len(jobs) > KILLS
    with sqlite3.connect(path) as found:
        assert found.execute("SELECT value FROM ports").fetchone()[0] in (acknowledged, acknowledged + 1)
        kept = dict(found.execute("SELECT id, outcome FROM jobs"))
        assert last_job in kept
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sum(outcome == "queued" for outcome in kept.values()) >= 1  # only the last run's are still open
    found.close()
