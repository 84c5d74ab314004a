"""Apply, plan and revert on a replica, as the verbs do it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from master_setup import applying, finishing, locking, planning, record, reverting
from master_setup.applying import Applied
from master_setup.facts import Facts
from master_setup.machine import Machine
from master_setup.options import Options
from master_setup.planning import Change
from master_setup.program import Program
from master_setup.reverting import Reverted
from master_setup.steps import accounts, config, packages, program, shell, units
from master_setup.steps.base import Step
from master_setup.wants.packages import settle
from tests.setup.fake_debian import FakeDebian, machine

OURS: tuple[Step, ...] = (packages, accounts, program, config, units, shell)
FACTS = Facts(program=Program(name="1.0-abc", wheel="/srv/wheels/grape-1.0-py3-none-any.whl", wheelhouse="/srv/wheels"))
OPTIONS = Options(users=("ann",), interface="eth1")


def plan(fake: FakeDebian, options: Options = OPTIONS, facts: Facts = FACTS) -> list[Change]:
    there = machine(fake)
    return list(planning.changes(there, planning.wanted(facts, options, OURS), record.load(there)))


def apply(fake: FakeDebian, options: Options = OPTIONS, facts: Facts = FACTS, there: Machine | None = None) -> Applied:
    there = there or machine(fake)
    lock = locking.take(there)
    try:
        found = record.load(there)
        done = applying.apply(there, planning.wanted(facts, options, OURS), found)
        settle(found)
        return done
    finally:
        os.close(lock)


def revert(
    fake: FakeDebian, without: Sequence[str] = (), *, purge: bool = False, there: Machine | None = None
) -> Reverted:
    there = there or machine(fake)
    lock = locking.take(there)
    try:
        found = record.load(there)
        done = reverting.revert(there, found, without=without)
        assert not done.failed, done.failed
        if there.exists(record.FOLDER):
            text = finishing.script(there, finishing.leaving(there, found), keep=done.backups, purge=purge)
            finishing.write(there, text)
            finishing.become(there, lock)
        else:
            finishing.drop_empty(there)
        return done
    finally:
        os.close(lock)
