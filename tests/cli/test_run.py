"""``grapecli run``, ``copy`` and ``ssh`` against the real API, with nodes in memory."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grapecli import gathered
from grapecli import run as running
from grapecli.copy import split
from grapecli.ssh import command
from graped.terminal.session import Session
from tests.api.conftest import Served, serving
from tests.api.remote import Remote
from tests.cli.conftest import Run

RULE = "-" * 15


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


@pytest.fixture
def nodes(served: Served) -> Remote:
    return served.rack.operations.remote


def test_the_same_output_is_shown_once_under_the_names_of_all(nodes: Remote, run: Run) -> None:
    told = run("run", "worker-[0-1]-[0-2]", "--", "uname", "-r")
    assert told.out.splitlines() == [RULE, "worker-[0-1]-[0-2] (6)", RULE, "uname -r"]
    assert (told.code, told.err) == (0, "")
    assert nodes.asked == [("uname -r", b"", 60.0, 32)]


def test_who_failed_stands_on_stderr_with_the_reason_and_the_code_is_1(nodes: Remote, run: Run) -> None:
    told = run("run", "--timeout", "5", "--fanout", "2", "worker-0-[2-4]", "date")
    assert told.code == 1
    assert told.out.splitlines() == [RULE, "worker-0-[2-3] (2)", RULE, "date"]
    assert told.err.splitlines() == [
        RULE, "worker-0-3 stderr", RULE, "oops", "worker-0-3: exit code 3", "worker-0-4: no answer within 60 s",
    ]  # fmt: skip
    assert nodes.asked == [("date", b"", 5.0, 2)]


@pytest.mark.parametrize("word", ["--no-fold", "-l"])
def test_unfolded_each_line_stands_behind_its_name(nodes: Remote, run: Run, word: str) -> None:
    told = run("run", word, "worker-0-[0-1]", "--", "echo a\necho b")
    assert sorted(told.out.splitlines()) == [
        "worker-0-0: echo a", "worker-0-0: echo b", "worker-0-1: echo a", "worker-0-1: echo b",
    ]  # fmt: skip


def test_json_has_each_node_in_the_order_of_names(nodes: Remote, run: Run) -> None:
    told = json.loads(run("--json", "run", "worker-0-[0-4]", "--", "x").out)
    assert told["job"] > 0
    assert [node["name"] for node in told["nodes"]] == [f"worker-0-{number}" for number in range(5)]
    assert [node["code"] for node in told["nodes"]] == [0, 0, 0, 3, None]
    assert told["nodes"][4]["error"] == {"code": "ssh_timeout", "message": "no answer within 60 s", "hint": ""}
    assert {"stdout", "stderr", "seconds"} <= set(told["nodes"][0])


def test_a_hint_that_names_its_node_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [
        {"name": f"worker-0-{number}", "code": None,
         "error": {"message": "it has no power", "hint": f"grapecli power on worker-0-{number}"}}
        for number in range(3)
    ]  # fmt: skip
    gathered.show_failed(Session(), nodes)
    assert capsys.readouterr().err.splitlines() == [
        "worker-0-[0-2]: it has no power", "  hint: grapecli power on worker-0-[0-2]",
    ]  # fmt: skip


def test_stdin_goes_only_when_asked_for_and_not_without_end(
    nodes: Remote, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [b"\x00\xffdata", b"x" * (running.STDIN_BYTES + 1)]
    monkeypatch.setattr(running, "our_stdin", lambda: io.BytesIO(given.pop(0)))
    run("run", "worker-0-0", "--", "cat")
    run("run", "--stdin", "worker-0-0", "--", "cat")
    assert [asked[1] for asked in nodes.asked] == [b"", b"\x00\xffdata"]
    told = run("run", "--stdin", "worker-0-0", "--", "cat")
    assert told.code == 2
    assert "grapecli copy" in told.err


@pytest.fixture
def one_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the first question to graped be broken off."""
    real, first = running.follow.ask, [True]

    def ask(*args: Any, **more: Any) -> Any:
        if first and first.pop():
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(running.follow, "ask", ask)


@pytest.mark.usefixtures("one_ctrl_c")
@pytest.mark.parametrize("how", [{"stdin": "n\n", "tty": True}, {}])
def test_after_ctrl_c_the_job_goes_on_unless_somebody_says_otherwise(
    nodes: Remote, served: Served, run: Run, how: Any
) -> None:
    nodes.held.clear()
    told = run("run", "worker-0-0", "--", "sleep 9", **how)
    outcomes = [job["outcome"] for job in served.client().get("/v1/jobs", open=True)]
    nodes.held.set()
    assert told.code == 130
    assert "goes on" in told.err
    assert outcomes == ["running"]


@pytest.mark.usefixtures("one_ctrl_c")
def test_ctrl_c_and_yes_cancel_it(nodes: Remote, run: Run) -> None:
    nodes.held.clear()
    rescue = threading.Timer(20.0, nodes.held.set)
    rescue.start()
    began = time.monotonic()
    told = run("run", "worker-0-1", "--", "sleep 9", stdin="y\n", tty=True)
    rescue.cancel()
    assert told.code == 1
    assert "cancelled" in told.err
    assert time.monotonic() - began < 15.0


def test_results_that_a_restart_lost_are_an_error(nodes: Remote, run: Run) -> None:
    nodes.results = lambda job, after: Remote(nodes._engine).results(job, after)  # type: ignore[method-assign]
    told = run("run", "worker-0-0", "--", "x")
    assert told.code == 1
    assert "restarted" in told.err


def test_a_file_is_sent_with_its_mode_and_under_its_name(nodes: Remote, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_bytes(b"hello\n" * 100_000)
    file.chmod(0o750)
    assert run("copy", str(file), "worker-0-[0-1]:/etc/").code == 0
    assert nodes.files["worker-0-1"] == (file.read_bytes(), "/etc/motd", 0o750)
    assert run("copy", "--mode", "0644", str(file), "@stack:0:/x").code == 0
    assert nodes.files["worker-0-0"][1:] == ("/x", 0o644)


def test_a_copy_that_cannot_be_is_refused(nodes: Remote, run: Run, tmp_path: Path) -> None:
    assert run("copy", str(tmp_path / "none"), "worker-0-0:/x").code == 2
    assert run("copy", str(tmp_path), "worker-0-0:/x").code == 2
    (tmp_path / "file").touch()
    for to in ("worker-0-0", "worker-0-0:x", ":/x"):
        assert run("copy", str(tmp_path / "file"), to).code == 2
    assert run("copy", "--mode", "999", str(tmp_path / "file"), "worker-0-0:/x").code == 2
    assert nodes.files == {}


def test_nodes_and_path_are_told_apart() -> None:
    assert split("@stack:0:/etc/", "motd") == ("@stack:0", "/etc/motd")
    assert split("worker-0-[0-3]:/a:/b", "x") == ("worker-0-[0-3]", "/a:/b")
    assert split("@all:/", "x") == ("@all", "/x")


def test_ssh_is_given_our_known_hosts_and_nothing_else_is_trusted() -> None:
    at = {"name": "worker-0-1", "address": "10.77.0.11", "port": 22, "user": "root", "known_hosts": "/s/known_hosts"}
    argv = command(at, None, ("uname", "-r"))
    assert argv[-4:] == ["--", "10.77.0.11", "uname", "-r"]
    assert {"UserKnownHostsFile=/s/known_hosts", "StrictHostKeyChecking=yes", "HostKeyAlias=worker-0-1"} < set(argv)
    other = command({**at, "port": 2222}, "pi", ())
    assert "HostKeyAlias=[worker-0-1]:2222" in other
    assert other[1:5] == ["-p", "2222", "-l", "pi"]


def test_ssh_to_a_node_that_cannot_be_met_says_so(served: Served, run: Run) -> None:
    told = run("ssh", "worker-0-1")
    assert told.code == 1
    assert "no address" in told.err
    assert run("ssh", "worker-9-9").code == 2
