"""The smaller rooms: one thread a node, what is kept, our key, each trouble once."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

import paramiko
import pytest

from grape_docker import keeping
from grape_docker.identity import KeyUnusable, ensure_key, public_line
from grape_docker.inbox import Inbox, Stop, WorkDone, WorkTold
from grape_docker.model import Memory, Trouble
from grape_docker.telling import Teller
from grape_docker.work import Workshop


def test_the_inbox_hands_out_all_at_once_and_wakes_in_time() -> None:
    inbox = Inbox()
    begun = time.monotonic()
    assert inbox.take(begun + 0.05) == ()
    assert time.monotonic() - begun >= 0.05
    inbox.put(WorkTold(name="a", line="1"))
    inbox.put(Stop())
    assert inbox.take(time.monotonic() + 10) == (WorkTold(name="a", line="1"), Stop())


def test_one_piece_of_work_a_node_and_all_nodes_at_once() -> None:
    inbox, gate = Inbox(), threading.Event()
    shop = Workshop(inbox)

    def hang() -> WorkDone:
        gate.wait(10)
        return WorkDone(name="hole")

    assert shop.start("hole", hang)
    assert not shop.start("hole", hang), "it is worked on"
    assert shop.start("well", lambda: WorkDone(name="well"))
    assert inbox.take(time.monotonic() + 5) == (WorkDone(name="well"),)
    assert shop.busy == {"hole", "well"}, "until its end was taken"
    shop.finished("well")
    assert shop.busy == {"hole"}
    assert shop.settle(0.05) == {"hole"}
    gate.set()
    assert inbox.take(time.monotonic() + 5) == (WorkDone(name="hole"),)
    assert shop.settle(5) == frozenset()


def test_a_mistake_in_work_is_a_trouble_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    shop = Workshop(inbox, wall=lambda: 7.0)

    def wrong() -> WorkDone:
        raise KeyError("secret")

    shop.start("a", wrong)
    (done,) = inbox.take(time.monotonic() + 5)
    assert isinstance(done, WorkDone)
    assert done.trouble is not None
    assert (done.trouble.code, done.trouble.since) == ("internal", 7.0)
    assert "secret" not in done.trouble.message


def test_what_is_known_is_kept_and_a_broken_file_is_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert keeping.load_known(tmp_path) == {}
    known = {"worker-0-0": Memory(own_id="x", joined_at=3.0, labels={"disk": "ssd"})}
    keeping.save_known(tmp_path, known)
    assert keeping.load_known(tmp_path) == known
    (tmp_path / keeping.KNOWN).write_text("{ no json")
    assert keeping.load_known(tmp_path) == {}
    assert "is not used" in caplog.text
    (tmp_path / keeping.STATUS).write_text("[]")
    assert keeping.load_status(tmp_path) == {}


def test_our_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = ensure_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    line = public_line(path)
    assert public_line(ensure_key(tmp_path)) == line
    key = paramiko.Ed25519Key.from_private_key_file(str(path))
    assert line.split() == ["ssh-ed25519", key.get_base64(), "grape_docker"]
    path.chmod(0o644)
    ensure_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("nonsense")
    with pytest.raises(KeyUnusable):
        ensure_key(tmp_path)
    assert path.read_text() == "nonsense", "never replaced by itself"


def test_each_trouble_is_told_once_and_once_when_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "grape_docker")
    teller = Teller(tmp_path, started=1.0)
    full = Trouble(name="worker-0-0", code="disk_full", message="the disk is full", hint="make room", since=10.0)
    teller.take([full], 10.0)
    teller.take([Trouble(name="worker-0-0", code="disk_full", message="the disk is full", since=20.0)], 20.0)
    assert [one.since for one in teller.troubles] == [10.0]
    teller.take([], 70.0)
    assert caplog.messages == [
        "worker-0-0: the disk is full (make room)",
        "worker-0-0: over after 60 s: the disk is full",
    ]


def test_status_is_written_only_when_it_changes(tmp_path: Path) -> None:
    teller = Teller(tmp_path, started=1.0)
    for now in (1.0, 2.0):
        teller.write(swarm_id="s", working={}, waiting=(), holds=(), now=now)
        assert json.loads((tmp_path / keeping.STATUS).read_text())["written"] == 1.0
    teller.write(swarm_id="s", working={"worker-0-0": "joining"}, waiting=(), holds=(), now=3.0)
    assert keeping.load_status(tmp_path)["working"] == {"worker-0-0": "joining"}
