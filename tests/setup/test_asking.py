"""What a command line means, what is remembered of it, and who may run beside whom."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from graped.errors import RequestError
from master_setup import cli, locking, options, record, verbs
from master_setup.machine import Machine
from master_setup.options import Options
from master_setup.record import BadRecord
from tests.setup.fake_debian import FakeDebian, machine


@pytest.mark.parametrize("argv", [[], ["--user", "ann"], ["plan"]])
def test_plan_is_the_default(argv: list[str]) -> None:
    assert cli.parse(argv).verb == "plan"


def test_only_what_was_given_counts() -> None:
    asked = cli.parse(["apply", "--user=ann", "--user=bob", "--no-nat", "--wheelhouse", "wheels"])
    assert asked.given == {"users": ["ann", "bob"], "nat": False, "wheelhouse": os.path.abspath("wheels")}


def test_wrong_words_end_with_2() -> None:
    for argv in (["aply"], ["apply", "--nfs=samba"], ["revert", "--nat"]):
        with pytest.raises(SystemExit) as caught:
            cli.parse(argv)
        assert caught.value.code == 2


def test_options_are_remembered_and_users_add_up() -> None:
    first = options.merged(Options(), {"interface": "eth1", "users": ("ann",)})
    second = options.merged(options.from_json(json.loads(json.dumps(first.to_json()))), {"users": ("bob",)})
    assert second == Options(interface="eth1", users=("ann", "bob"))


def test_options_of_another_version_are_read() -> None:
    assert options.from_json({"interface": "eth1", "of_tomorrow": 1}) == Options(interface="eth1")


def test_two_at_once_are_refused(fake: FakeDebian) -> None:
    there = machine(fake)
    lock = locking.take(there)
    with pytest.raises(locking.AlreadyRunning, match=str(os.getpid())):
        verbs.run(there, cli.parse(["apply"]))
    os.close(lock)
    os.close(locking.take(there))


def test_what_a_killed_run_has_left_at_work_is_waited_for(fake: FakeDebian) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    held = locking.take(machine(fake))
    os.ftruncate(held, 0)  # the number of a process may be shorter than ours
    os.pwrite(held, f"{dead.pid}\n".encode(), 0)
    told: list[str] = []
    there = Machine(root=fake.root, runner=fake, say=told.append, pause=lambda seconds: os.close(held))
    os.close(locking.take(there))
    assert told == ["what a killed run has started is still at work: waiting for its end"]


def test_a_user_who_is_not_there_is_refused_before_anything_is_done(fake: FakeDebian) -> None:
    with pytest.raises(RequestError, match="no user zoe"):
        verbs.run(machine(fake), cli.parse(["apply", "--user=zoe"]))
    assert not fake.path("/var/lib/grape").exists()


def test_a_damaged_record_stops_everything(fake: FakeDebian) -> None:
    there = machine(fake)
    record.make_folders(there)
    fake.path(record.FILE).write_text('{"format": 1, "entries": [{"ke')
    with pytest.raises(BadRecord):
        verbs.run(there, cli.parse(["revert"]))
    fake.path(record.FILE).write_text('{"format": 2}')
    with pytest.raises(BadRecord, match="format 2"):
        verbs.run(there, cli.parse(["revert"]))


def test_purge_asks_and_without_an_answer_does_nothing(fake: FakeDebian, capsys: pytest.CaptureFixture[str]) -> None:
    record.make_folders(machine(fake))
    assert verbs.run(machine(fake), cli.parse(["revert", "--purge"])) == verbs.NOT_ASKED
    assert "--yes" in capsys.readouterr().err
    assert fake.path("/var/lib/grape").exists()
    assert verbs.run(machine(fake), cli.parse(["revert", "--purge", "--yes"])) == verbs.FINE
    assert not fake.path("/var/lib/grape").exists()


def test_a_run_killed_at_once_leaves_nothing(fake: FakeDebian) -> None:
    fake.path("/var/lib/grape").mkdir()
    assert verbs.run(machine(fake), cli.parse(["revert"])) == verbs.FINE
    assert not fake.path("/var/lib/grape").exists()
