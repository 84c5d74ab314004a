"""SIGKILL of graped at every step: afterwards there is the old state or the new one, and no other node is touched."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from graped.config.types import Strategy
from graped.netboot.mountinfo import mounted_below
from graped.netboot.roots.records import RECORD, RootRecord
from graped.netboot.roots.roots import Roots
from graped.runner import Output, SubprocessRunner
from graped.work import Work
from tests.netboot.roots.conftest import FILE_SYSTEM
from tests.netboot.roots.rig import NODE, OTHER, Rig, identity

KILLED, DONE, FAILED = -signal.SIGKILL, 0, 99
STEPS_MAX = 60

Act = Callable[[Roots, Rig], object]
ACTS: Mapping[str, Act] = {
    "first": lambda roots, rig: roots.create("worker-0-2", rig.image, rig.strategy, identity("worker-0-2"), Work()),
    "set": lambda roots, rig: roots.create(NODE, rig.newer, rig.strategy, identity(), Work()),
    "reset": lambda roots, rig: roots.reset(NODE, identity(), Work()),
    "snapshot": lambda roots, rig: roots.snapshot(NODE, "second", Work()),
    "rollback to a snapshot": lambda roots, rig: roots.rollback(NODE, "first", identity(), Work()),
    "rollback to what was before": lambda roots, rig: roots.rollback(NODE, None, identity(), Work()),
    "release": lambda roots, rig: roots.release(NODE),
    "retire": lambda roots, rig: (roots.release(NODE), roots.drop(NODE, "first"), roots.retire(NODE)),
    "remove": lambda roots, rig: roots.remove(NODE),
    "start": lambda roots, rig: (roots.recover(), roots.mount_all()),
}


class CrashRig(Rig):
    """Two nodes that have lived: a snapshot, a reset, something of their own in each root."""

    def __init__(self, folder: Path, strategy: Strategy) -> None:
        super().__init__(folder)
        self.strategy = strategy
        self.newer = self.make_image("newer", "two")

    def live(self) -> None:
        """Bring the nodes where every killing begins."""
        self.roots = self.fresh()
        for node in self.roots.all():
            self.roots.remove(node)
        for node in (NODE, OTHER):
            self.create(self.strategy, node)
            if self.strategy is not Strategy.EPHEMERAL:
                (self.root(node) / "mine").write_text(node)
                self.snapshot("first", node)
            self.reset(node)

    def other(self) -> tuple[object, ...]:
        """All that must not change of the node that nobody asked about."""
        home = self.folder / "roots" / OTHER
        kept = home / "1" / "fs" / "mine"
        mounts = [str(point) for point in mounted_below(home)]
        return (
            (home / RECORD).read_bytes(),
            sorted(one.name for one in home.iterdir()),
            (self.root(OTHER) / "etc/issue").read_text(),
            kept.read_text() if kept.exists() else None,
            mounts,
            [os.stat(point).st_dev for point in mounts],  # the same mounts, not new ones
        )


def killed_at(rig: CrashRig, act: Act, number: int) -> int:
    """Do it in a process that is killed at a step; return how the process ended."""
    child = os.fork()
    if child == 0:
        count = 0

        def step(_: str) -> None:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            act(rig.fresh(step=step), rig)
            os._exit(DONE)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(FAILED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(record: RootRecord | None) -> object:
    """What a user sees of a node, without times."""
    if record is None:
        return None
    kept = tuple((one.generation, one.label, one.image, one.by) for one in record.kept)
    return (record.image, record.generation, kept, record.serving)


def states(rig: CrashRig, roots: Roots) -> object:
    return {node: state(roots.get(node)) for node in (NODE, "worker-0-2")}


def check_nothing_leaks(rig: CrashRig, roots: Roots) -> None:
    records = roots.all()
    generations = {node: sorted(record.generations) for node, record in records.items()}
    there = rig.there()
    bases = set(there.pop(".bases", []))
    assert bases <= {rig.image.ref, rig.newer.ref}
    assert there == generations
    served = [f"{node}/{one.generation}/fs" for node in records for one in roots.exports(node) if not one.read_only]
    assert rig.mounted() == (sorted(served) if rig.strategy is Strategy.OVERLAY else [])
    private = rig.folder / "private"
    ephemeral = sorted(records) if rig.strategy is Strategy.EPHEMERAL else []
    assert (sorted(one.name for one in private.iterdir()) if private.exists() else []) == ephemeral
    for node in records:
        assert all(one.path.is_dir() for one in roots.exports(node))
        assert (roots.export_path(node) / "etc/issue").read_text() in ("one\n", "two\n")


CASES = [
    *((Strategy.OVERLAY, act) for act in ACTS),
    *((Strategy.BTRFS, act) for act in ("set", "snapshot", "rollback to a snapshot", "retire", "remove")),
    *((Strategy.COPY, act) for act in ("first", "reset", "remove")),
    *((Strategy.REFLINK, act) for act in ("set",)),
    *((Strategy.EPHEMERAL, act) for act in ("first", "set", "remove")),
]


@pytest.mark.parametrize(("strategy", "name"), CASES, ids=lambda value: str(value))
def test_a_kill_at_any_step_leaves_the_old_or_the_new(
    strategy: Strategy, name: str, disk: Callable[[str], Path]
) -> None:
    rig, act = CrashRig(disk(FILE_SYSTEM[strategy]), strategy), ACTS[name]
    seen: set[str] = set()
    for number in range(1, STEPS_MAX):
        rig.live()
        before, others = states(rig, rig.roots), rig.other()
        end = killed_at(rig, act, number)
        assert end in (KILLED, DONE)
        again = rig.fresh()
        again.recover()
        assert again.mount_all() == {}
        check_nothing_leaks(rig, again)
        assert rig.other() == others
        after = states(rig, again)
        seen.add("old" if after == before else repr(after))
        assert again.recover() == ()  # there was nothing left to do
        if after == before:
            act(again, rig)  # and it can be done now
        if end == DONE:
            break
    else:
        pytest.fail("it never came to its end")
    if name not in ("release", "retire", "start"):
        assert len(seen) == 2, seen  # the old one and one new one
    assert rig.intact()


class Lingering(SubprocessRunner):
    """A machine whose cp is slow, and goes on after graped was killed in the middle of it."""

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        if argv[0] != "cp":
            return super().run(argv, timeout_s=timeout_s, expect=expect, env=env)
        target = argv[-1]
        slow = f"for i in $(seq 60); do mkdir -p {target}/upper/$i && echo x > {target}/upper/$i/x; sleep 0.02; done"
        if os.fork() == 0:
            os.setsid()
            os.execv("/bin/sh", ("sh", "-c", slow))
        ends = time.monotonic() + 20
        while not Path(target, "upper/1/x").exists() and time.monotonic() < ends:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_cp_that_outlives_graped_leaves_nothing(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    before = rig.there()
    child = os.fork()
    if child == 0:
        rig.runner = Lingering()
        try:
            rig.fresh().snapshot(NODE, "x", Work())
        finally:
            os._exit(FAILED)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    assert rig.there() != before
    assert rig.fresh().recover() == (f"{NODE}/2",)
    assert rig.there() == before
