"""Images, roots and long work from the command line, against the real API over images that are in memory."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grapecli import image_import
from graped.api import types
from graped.core.chore import ChoreKind
from graped.model import SlotId
from graped.terminal import session
from tests.api.conftest import Served, serving
from tests.api.provision import Provision
from tests.api.rack import Rack
from tests.cli.conftest import Run
from tests.cli.test_edges import in_terminal


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


@pytest.fixture
def provision(served: Served) -> Provision:
    assert served.rack.provision is not None
    return served.rack.provision


def test_images_are_listed_and_shown(run: Run, served: Served) -> None:
    ran = run("image", "list")
    assert [line.split()[0].split("@")[0] for line in ran.out.splitlines()] == ["IMAGE", "bookworm", "bookworm", "lite"]
    assert ran.out.splitlines()[1].endswith("worker-0-[0-1]")
    assert "digest" in run("image", "show", "lite").out
    assert run("--json", "image", "show", "lite").json["name"] == "lite"
    assert [one["name"] for one in run("image", "list", "--json").json] == ["bookworm", "bookworm", "lite"]
    ran = run("image", "show", "nothing")
    assert (ran.code, ran.out) == (2, "")
    assert "nothing" in ran.err


def test_a_file_is_opened_by_us_and_its_name_guessed(run: Run, provision: Provision, tmp_path: Path) -> None:
    file = tmp_path / "2026-11-24-raspios lite.img.xz"
    file.write_bytes(os.urandom(3_000_000))
    ran = run("image", "import", str(file))
    assert ran.code == 0
    ref = ran.out.strip()
    assert ref.startswith("2026-11-24-raspios-lite@")
    made = provision.image(ref)
    assert (made.size_bytes, made.source) == (3_000_000, str(file))
    assert "upload: 3.0 of 3.0 MB" in ran.err
    assert ran.err.count("upload") <= 12
    assert run("image", "import", str(file), "--name", "b", "--json").json["result"].startswith("b@")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/bookworm.img", "bookworm"), ("bookworm.tar.gz", "bookworm"), ("a/b.TAR.ZST", "b"), ("x.tgz", "x"),
        ("/srv/trees/lite/", "lite"), ("v1.2.img.xz", "v1.2"), ("-.img", ""), ("ä ö.img", ""), ("x" * 80, "x" * 48),
        ("2026 (1).zip", "2026-1-"),
    ],
)  # fmt: skip
def test_names_are_guessed(path: str, name: str) -> None:
    assert image_import.guessed_name(path) == name


def test_a_folder_is_sent_as_a_tar_with_all_its_attributes(
    run: Run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = bytearray()

    async def keep(self: Provision, name: str, source: str, chunks: Any, *, by: str, **_: object) -> Any:
        async for chunk in chunks:
            sent.extend(chunk)
        return self.chores.start(ChoreKind.IMAGE_IMPORT, name, lambda work: f"{name}@1", by=by)

    monkeypatch.setattr(Provision, "import_image", keep)
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "motd").write_text("hello\n")
    (tree / "etc" / "hard").hardlink_to(tree / "etc" / "motd")
    (tree / "etc" / "link").symlink_to("/etc/shadow")
    with (tree / "hole").open("wb") as sparse:
        sparse.truncate(50_000_000)
    os.setxattr(tree / "etc" / "motd", "user.grape", b"yes")
    assert run("image", "import", str(tree)).out == "tree@1\n"
    assert len(sent) < 1_000_000
    with tarfile.open(fileobj=io.BytesIO(bytes(sent))) as tar:
        entries = {entry.name: entry for entry in tar}
    assert entries["./hole"].size == 50_000_000
    assert entries["./etc/link"].linkname == "/etc/shadow"
    first, second = entries["./etc/motd"], entries["./etc/hard"]
    assert {first.islnk(), second.islnk()} == {True, False}
    real = second if first.islnk() else first
    assert real.pax_headers["SCHILY.xattr.user.grape"] == "yes"


def test_a_tar_that_fails_makes_no_image(
    run: Run, provision: Provision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = tmp_path / "tar"
    tar.write_text("#!/bin/sh\nhead -c 200000 /dev/zero\nexit 2\n")
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    before = len(provision.kept)
    ran = run("image", "import", str(tmp_path), "--name", "half")
    assert ran.code == 2
    assert "tar ended with code 2" in ran.err
    ended = json.loads(run("jobs", "--json").out)[-1]
    assert (ended["kind"], ended["subject"]) == ("image.import", "half")
    assert len(provision.kept) == before


def test_stdin_needs_a_name(command: list[str], served: Served) -> None:
    def imported(*args: str) -> subprocess.CompletedProcess[bytes]:
        argv = [*command, "image", "import", "-", *args]
        return subprocess.run(argv, input=b"y" * 100_000, capture_output=True, timeout=20)

    assert imported().returncode == 2
    done = imported("--name", "piped")
    assert (done.returncode, done.stdout[:6]) == (0, b"piped@")


def test_what_cannot_be_read_or_is_no_image(run: Run, served: Served, tmp_path: Path) -> None:
    ran = run("image", "import", str(tmp_path / "nothing.img"))
    assert ran.code == 2
    assert "No such file" in ran.err
    bad = tmp_path / "bad.img"
    bad.write_bytes(b"BAD" * 1000)
    ran = run("image", "import", str(bad))
    assert (ran.code, ran.out) == (1, "")
    assert "failed: this is no image" in ran.err
    assert "hint: Give a tar" in ran.err
    ran = run("image", "import", str(bad), "--json")
    assert (ran.code, ran.json["outcome"], ran.err) == (1, "failed", "")


def test_removing_asks_and_needs_somebody_to_ask(run: Run, provision: Provision) -> None:
    ref = provision.image("lite").ref
    ran = run("image", "rm", "lite")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert run("image", "rm", "lite", tty=True, stdin="n\n").code == 2
    assert provision.image("lite")
    ran = run("image", "rm", "lite", tty=True, stdin="y\n")
    assert (ran.code, ran.out) == (0, f"removed {ref}\n")
    assert "400 MB" in ran.err
    ran = run("image", "rm", provision.kept[0].ref, "--yes")
    assert ran.code == 6
    assert "worker-0-0" in ran.err


def test_removing_a_tree_may_take_its_time(
    run: Run, served: Served, provision: Provision, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("remove_image", "drop_workspace"):
        monkeypatch.setattr(Provision, name, slowly(getattr(Provision, name)))
    monkeypatch.setattr(session, "REQUEST_TIMEOUT_S", 1.5)
    assert run("image", "rm", "lite", "--yes").out.startswith("removed lite@")
    provision.workspaces_open["1"] = types.Workspace(id="1", image="bookworm@3f9c2a", path="/x", shell=())
    assert run("image", "workspace", "drop", "1", "--yes").out == "dropped 1 of bookworm@3f9c2a\n"


def slowly(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def wait(*args: Any) -> Any:
        await asyncio.sleep(2.5)
        return await function(*args)

    return wait


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["image", "verify", "lite"], "intact\n"),
        (["image", "prepare", "lite"], "lite@"),
        (["image", "exec", "lite", "--", "apt-get", "-y", "install", "vim"], "lite@"),
        (["image", "exec", "--name", "mine", "lite", "sh", "-c", "true --help"], "mine@"),
        (["image", "commit", "worker-0-1", "--name", "mine"], "mine@"),
        (["node", "set", "worker-0-[0-1]", "--image", "lite", "--model", "default"], "done: worker-0-[0-1] (lite@"),
        (["node", "reset", "worker-0-1", "--yes"], "done: worker-0-1 ("),
        (["node", "snapshot", "worker-0-0", "--label", "before"], "done: worker-0-0 ("),
        (["node", "rollback", "worker-0-0", "-y", "--label", "before"], "done: worker-0-0 ("),
        (["node", "drop", "worker-0-0", "--yes", "--label", "before"], "done: worker-0-0 ("),
    ],
)
def test_long_work_is_waited_for_unless_not_wanted(run: Run, served: Served, args: list[str], out: str) -> None:
    ran = run(*args)
    assert ran.code == 0
    assert ran.out.startswith(out)
    ran = run(*args, "--json")
    at = args.index("exec") + 1 if "exec" in args else len(args)
    ran = run(*args[:at], "--no-wait", *args[at:])
    assert ran.code == 0
    assert ran.out.startswith("job ")
    assert " accepted: " in ran.out


def test_a_node_is_shown_with_its_root_and_those_that_are_kept(run: Run, provision: Provision) -> None:
    slot = SlotId(0, 0)
    root = provision.roots[slot]
    reset = replace(root.kept[0], generation="2", label="reset-2", by="reset", made="2026-11-26T13:00:00.000Z")
    provision.roots[slot] = replace(root, generation="3", kept=(*root.kept, reset))
    lines = [line.split() for line in run("node", "show", "worker-0-0").out.splitlines()]
    at = next(number for number, words in enumerate(lines) if words[:1] == ["root"])
    assert " ".join(lines[at]).startswith(f"root {root.image} by overlay, generation 3, made 2026-")
    assert lines[at + 1][:3] == ["kept", "reset-2", f"{root.image},"]  # the newest first: node rollback takes it
    assert lines[at + 2][:2] == ["before", f"{root.image},"]
    provision.roots[slot] = replace(root, mounted=False, fault="the disk is gone", kept=())
    out = run("node", "show", "worker-0-0").out
    assert "fault" in out
    assert "the root cannot be served: the disk is gone" in out
    assert "kept" not in out


def test_json_of_a_node_has_its_root_where_there_is_one(run: Run, provision: Provision) -> None:
    assert run("node", "show", "worker-0-0", "--json").json["root"]["kept"][0]["label"] == "before"
    assert run("node", "show", "worker-0-5", "--json").json["root"] is None


def test_json_of_long_work_is_its_job(run: Run, served: Served) -> None:
    ran = run("--json", "node", "reset", "worker-0-[1-2]", "--yes")
    assert (ran.code, ran.json["outcome"], ran.err) == (1, "completed_with_errors", "")
    assert [task["result"] for task in ran.json["tasks"]] == ["done", "failed"]


def test_default_goes_back_to_what_the_files_say(run: Run, provision: Provision) -> None:
    assert run("node", "set", "worker-0-1", "--image", "default", "--strategy", "copy").code == 0
    (_, changes) = provision.set[-1]
    assert (changes.image, changes.strategy, changes.model, changes.boot) == ("", "copy", None, None)
    assert run("node", "set", "worker-0-1").code == 2
    assert run("node", "set", "--image", "lite").code == 2


@pytest.mark.parametrize("words", [["reset"], ["rollback"], ["drop", "--label", "before"]])
def test_what_loses_data_asks_first_and_sends_the_names_it_showed(
    run: Run, provision: Provision, words: list[str]
) -> None:
    ran = run("node", *words, "worker-0-[0-1]")
    assert ran.code == 2
    assert "worker-0-[0-1] will" in ran.err
    assert run("node", *words, "worker-0-[0-1]", tty=True, stdin="\n").code == 2
    ran = run("node", *words, "worker-0-[0-1]", tty=True, stdin="yes\n")
    assert (ran.code, ran.out.split(" (")[0]) == (0, "done: worker-0-[0-1]")


def test_nodes_that_are_on_are_refused(run: Run, served: Served) -> None:
    assert run("power", "on", "worker-0-0", "--wait").code == 0
    ran = run("node", "snapshot", "worker-0-0", "--label", "x")
    assert ran.code == 6
    assert "worker-0-0 is on" in ran.err


def test_differences(run: Run, served: Served) -> None:
    assert run("image", "diff", "bookworm", "lite").out == "~ etc/motd\n"
    assert run("image", "diff", "worker-0-0").out == "+ root/hello\n"
    assert run("node", "diff", "worker-0-0", "--json").json[0]["path"] == "root/hello"
    ran = run("image", "diff", "lite", "lite")
    assert (ran.code, ran.out, ran.err) == (0, "", "Nothing differs.\n")


def test_doctor_says_what_to_do(run: Run, provision: Provision, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("doctor")
    assert ran.code == 0
    assert "warning: 3 GB are free" in ran.out
    assert "hint: remove an image" in ran.out

    from graped.api.types import Check

    async def ill(self: Provision) -> list[Check]:
        return [Check(name="nfs", state="failed", message="nobody serves", hint="start it")]

    monkeypatch.setattr(Provision, "doctor", ill)
    assert run("doctor").code == 1
    assert run("doctor", "--json").code == 1


def test_jobs_tell_of_long_work_too(run: Run, served: Served) -> None:
    run("image", "prepare", "lite")
    run("node", "reset", "worker-0-[1-2]", "--yes")
    listed = run("jobs").out.splitlines()
    assert [line.split()[3] for line in listed[-2:]] == ["image.prepare", "node.reset"]
    shown = run("jobs", "show", "10").out
    assert "image.prepare lite@" in shown
    assert "made lite@" in shown
    shown = run("jobs", "show", "11").out
    assert "failed: worker-0-2 (it has no root)" in shown


@pytest.fixture
def endless(provision: Provision, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    go = threading.Event()

    def work(work: Any) -> str:
        work.phase("compare", total=100, unit="files")
        work.advance(40)
        while not go.wait(0.01):
            work.check()
        return "intact"

    async def verify(self: Provision, ref: str, *, by: str) -> Any:
        return self.chores.start(ChoreKind.IMAGE_VERIFY, ref, work, by=by)

    monkeypatch.setattr(Provision, "verify_image", verify)
    yield go
    go.set()


def test_ctrl_c_leaves_the_job_and_says_how_to_cancel_it(
    command: list[str], run: Run, served: Served, endless: threading.Event
) -> None:
    process = subprocess.Popen([*command, "image", "verify", "lite"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while (line := process.stderr.readline()) != "compare: 40 of 100 files\n":
        assert line == "compare: 0 of 100 files\n"
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert process.wait(10) == 130
    assert "Job 10 goes on" in told
    assert "grapecli jobs cancel 10" in told
    process.stderr.close()
    assert "compare: 40 of 100 files" in run("jobs", "show", "10").out
    assert run("jobs", "cancel", "10").out == "job 10 is asked to stop\n"
    deadline = time.monotonic() + 20
    while run("jobs", "--open", "--json").json and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run("jobs", "show", "10", "--json").json["outcome"] == "cancelled"
    assert run("jobs", "cancel", "10").code == 6


def test_a_timeout_leaves_the_job(run: Run, endless: threading.Event) -> None:
    ran = run("image", "verify", "lite", "--timeout", "0.2")
    assert ran.code == 5
    assert "jobs cancel 10" in ran.err


def test_what_a_command_writes_is_shown_as_it_comes(command: list[str], provision: Provision) -> None:
    provision.may_go.clear()
    argv = [*command, "image", "exec", "lite", "--", "echo", "one", "two"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"  # into a pipe, while it runs
        assert process.poll() is None
        provision.may_go.set()
        rest, told = process.communicate(timeout=20)
    assert rest.splitlines()[0] == "two"
    assert rest.splitlines()[1].startswith("lite@")
    assert process.returncode == 0
    assert "lines" not in told


def test_what_a_command_writes_in_json_and_not_at_all(run: Run, provision: Provision) -> None:
    ran = run("image", "exec", "--json", "lite", "seq", "1200")
    assert (ran.json["output"][0], ran.json["output"][-1], ran.json["output_left_out"]) == ("201", "1200", 200)
    assert (ran.json["outcome"], ran.err) == ("done", "")
    ran = run("image", "exec", "-q", "lite", "echo", "one")
    assert ran.out.startswith("lite@")
    number = run("jobs", "--json").json[-1]["id"]
    assert run("jobs", "output", str(number)).out == "one\n"
    assert run("jobs", "output", str(number), "-f").out == "one\n"
    assert run("jobs", "output", str(number), "--json").json["lines"] == ["one"]
    assert run("jobs", "output", "999").code == 2


def test_lines_that_came_too_fast_are_counted(run: Run, provision: Provision) -> None:
    ran = run("image", "exec", "lite", "seq", "200000")
    lines = ran.out.splitlines()
    assert lines[-2] == "200000"
    assert "lines are not kept" in ran.err


def test_a_job_that_goes_on_is_followed(run: Run, provision: Provision) -> None:
    provision.may_go.clear()
    run("image", "exec", "--no-wait", "lite", "echo", "one", "two")
    number = run("jobs", "--json").json[-1]["id"]
    threading.Timer(0.5, provision.may_go.set).start()
    assert run("jobs", "output", "--follow", str(number)).out == "one\ntwo\n"


def test_a_bar_ends_before_what_a_command_writes(command: list[str], provision: Provision) -> None:
    threading.Timer(1.0, provision.may_go.set).start()
    provision.may_go.clear()
    code, shown = in_terminal([*command, "image", "exec", "lite", "--", "echo", "one", "two"])
    assert code == 0
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in shown.splitlines()]
    assert lines[-3:-1] == ["one", "two"]
    assert lines[-1].startswith("lite@")


def test_a_terminal_gets_a_bar(command: list[str], served: Served, tmp_path: Path) -> None:
    file = tmp_path / "big.img"
    file.write_bytes(bytes(20_000_000))
    code, shown = in_terminal([*command, "image", "import", str(file)])
    assert code == 0
    assert "20.0 of 20.0 MB" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden while it is drawn
    assert shown.rstrip().splitlines()[-1].removeprefix("\x1b[?25h").startswith("big@")


def test_ctrl_c_in_an_upload_leaves_nothing(command: list[str], provision: Provision, run: Run) -> None:
    argv = [*command, "image", "import", "-", "--name", "cut"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write("x" * 2_000_000)
    process.stdin.flush()
    assert process.stderr.readline().startswith("upload: ")
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert process.wait(10) == 130
    assert "nothing of it is kept" in told
    process.stdin.close()
    process.stderr.close()
    deadline = time.monotonic() + 20
    while run("jobs", "--open", "--json").json and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run("jobs", "show", "10", "--json").json["reason"].startswith("the upload broke off")
    assert all(one.name != "cut" for one in provision.kept)


def test_images_complete(command: list[str], served: Served, socket_path: Path) -> None:
    def complete(line: str) -> list[str]:
        env = {**os.environ, "_GRAPECLI_COMPLETE": "bash_complete", "COMP_WORDS": line,
               "COMP_CWORD": str(len(line.split(" ")) - 1), "GRAPE_SOCKET": str(socket_path)}  # fmt: skip
        done = subprocess.run(command[:3], env=env, capture_output=True, text=True, timeout=20)
        return [entry.split(",", 1)[1] for entry in done.stdout.splitlines() if entry]

    assert complete("grapecli image show ") == ["bookworm", "lite"]
    assert len(complete("grapecli image show bookworm@")) == 2
    assert complete("grapecli node set worker-0-0 --image li") == ["lite"]
    assert complete("grapecli image diff wor")[:2] == ["worker-0-0", "worker-0-1"]


# --- a shell in an image ------------------------------------------------------------------------------


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("as_root")
def test_a_shell_asks_whether_to_keep(run: Run, provision: Provision) -> None:
    ran = run("image", "shell", "lite", "--name", "mine", tty=True, stdin="y\n")
    assert ran.code == 0
    assert ran.out.startswith("mine@")
    assert "ended with code 3" in ran.err
    ran = run("image", "shell", "lite", tty=True, stdin="n\n")
    assert (ran.code, ran.out) == (0, "")
    assert "Nothing was kept" in ran.err
    assert provision.workspaces_open == {}


@pytest.mark.usefixtures("as_root")
def test_a_shell_without_a_terminal_is_told_what_to_do(run: Run, provision: Provision) -> None:
    assert run("image", "shell", "lite").code == 2
    assert run("image", "shell", "lite", "--keep").out.startswith("lite@")
    assert run("image", "shell", "lite", "--drop").code == 0
    assert provision.workspaces_open == {}


def test_the_terminal_is_ours_again_after_a_shell_that_took_it() -> None:
    takes = "import os; os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid()); os.system('stty -echo')"
    code = (
        "import signal, sys; signal.signal(signal.SIGTTOU, signal.SIG_IGN);"
        "from grapecli.image_shell import at_terminal;"
        f"at_terminal([sys.executable, '-c', {takes!r}]); print('ask', flush=True); print('got', input())"
    )
    ended, shown = in_terminal([sys.executable, "-c", code], at=b"ask", send=b"an answer\n")
    assert ended == 0
    assert "got an answer" in shown


@pytest.mark.usefixtures("as_root")
def test_root_runs_nothing_that_another_users_daemon_tells(
    run: Run, provision: Provision, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    if uid == 0:
        os.chown(socket_path, 12345, -1)
    ran = run("image", "shell", "lite", "--keep")
    assert ran.code == 2
    assert "is not root's" in ran.err
    assert provision.workspaces_open == {}


def test_a_shell_needs_root(run: Run, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = run("image", "shell", "lite")
    assert ran.code == 2
    assert "sudo" in ran.err


def test_without_netbooting(run: Run, socket_path: Path) -> None:
    with serving(socket_path, lambda: Rack(netboot=False)):
        ran = run("image", "list")
        assert run("node", "show", "worker-0-0").code == 0
    assert ran.code == 6
    assert "netboot.active" in ran.err


def test_workspaces_that_were_left_behind(run: Run, served: Served) -> None:
    assert run("image", "workspace", "list").out == ""
    with served.client() as client:
        one, two = (client.post("/v1/images/lite/workspace") for _ in range(2))
    assert [line.split()[0] for line in run("image", "workspace", "list").out.splitlines()[1:]] == [
        one["id"],
        two["id"],
    ]
    assert run("image", "workspace", "commit", one["id"], "--name", "mine").out.startswith("mine@")
    assert run("image", "workspace", "drop", two["id"]).code == 2
    assert run("image", "workspace", "drop", two["id"], "--yes").out.startswith(f"dropped {two['id']}")
    assert run("--json", "image", "workspace", "list").json == []
