"""What the journal says: priorities under systemd, the request's id on what it caused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from graped import logs
from tests.live.daemon import Daemon


def test_lines_carry_their_priority_under_journald(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    try:
        logs.set_up("info")
        logging.getLogger("graped.x").warning("two\nlines")
        logging.getLogger("graped.x").debug("not told")
    finally:
        root.handlers[:], root.level = before
    assert capsys.readouterr().err == "<4>graped.x: two\n<4>lines\n"


def test_a_request_is_followed_into_log_job_and_answer(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        job = daemon.client().post("/v1/power", {"nodes": "worker-0-0", "verb": "on"})
        assert job["request_id"]
        line = next(line for line in daemon.log().splitlines() if "power on of worker-0-0" in line)
        assert f"[request {job['request_id']}]" in line
