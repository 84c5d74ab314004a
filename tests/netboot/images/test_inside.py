"""Commands inside a root: what they see, what they cannot do, how they end. All of it for real, with busybox."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped.errors import BadImage, Cancelled, CommandFailed
from graped.netboot.images.container import enter_argv, run_inside
from graped.netboot.images.emulate import emulation_of
from graped.work import Work
from tests.netboot.images.tiny import ROOT_ONLY, arm64_program, mounts_of_this_process, processes_in, tiny_root

pytestmark = [pytest.mark.lab, ROOT_ONLY]
PATIENCE_S = 20.0


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root; afterwards nothing runs in it and nothing is mounted in it."""
    root = tiny_root(tmp_path / "root")
    yield root
    assert str(root) not in mounts_of_this_process()
    assert processes_in(root) == []


def said(root: Path, script: str, **options: bool) -> list[str]:
    lines: list[str] = []
    run_inside(root, ("sh", "-c", script), Work(), lines.append, **options)
    return lines


def test_lines_come_one_by_one_and_the_tree_is_changed(root: Path) -> None:
    assert said(root, "echo one; echo two >&2; printf 'three'; echo x > /etc/made") == ["one", "two", "three"]
    assert (root / "etc/made").read_text() == "x\n"


def test_a_line_that_is_written_over_is_told_as_it_ends(root: Path) -> None:
    assert said(root, r"printf '10%%\r50%%\rdone\r\n'; printf '\377\n'") == ["done", "�"]


def test_nothing_that_moves_or_colours_a_terminal_is_told(root: Path) -> None:
    script = r"printf '\033[1;31mred\033[0m\tx\n\033]0;title\007plain\n\001\377\302\233\n\303\244\n'"
    assert said(root, script) == ["red\tx", "plain", "\ufffd\ufffd\ufffd", "ä"]


def test_the_last_words_of_one_that_ends_while_nobody_looks_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(selectors.DefaultSelector):
        """Sees nothing at first, and comes back late with that."""

        looks = 0

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            self.looks += 1
            if self.looks > 1:
                return super().select(timeout)
            time.sleep(2.0)
            return []

    monkeypatch.setattr(selectors, "DefaultSelector", Slow)
    assert said(root, "echo end") == ["end"]


def test_an_endless_line_is_told_in_pieces(root: Path) -> None:
    lines = said(root, "dd if=/dev/zero bs=1024 count=64 2>/dev/null")
    assert sum(map(len, lines)) == 65536
    assert len(lines) > 2


def test_progress_counts_lines(root: Path) -> None:
    work = Work()
    run_inside(root, ("sh", "-c", "echo a; echo b"), work)
    assert (work.progress.phase, work.progress.done, work.progress.unit) == ("run", 2, "lines")


def test_a_failure_is_told_with_the_last_lines(root: Path) -> None:
    with pytest.raises(CommandFailed, match="sh in the image ended with code 3: 4 / 5 / 6 / 7 / 8") as caught:
        said(root, "for i in 1 2 3 4 5 6 7 8; do echo $i; done; exit 3")
    assert caught.value.fields["exit_code"] == 3


def test_an_end_by_a_signal_and_no_such_program(root: Path) -> None:
    with pytest.raises(CommandFailed, match="code 137"):
        said(root, "kill -9 $$")
    with pytest.raises(CommandFailed, match="code 127: cannot run nothing: no such program"):
        run_inside(root, ("nothing",), Work())
    with pytest.raises(CommandFailed, match="code 126: cannot run /etc/passwd: Permission denied"):
        run_inside(root, ("/etc/passwd",), Work())


def test_nothing_of_the_master_is_seen(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the master's")
    os.environ["GRAPE_TEST_SECRET"] = "the master's"
    try:
        seen = "\n".join(said(root, f"env; ps; ls /dev /run /tmp; cat {tmp_path}/secret /proc/1/environ 2>&1 || :"))
    finally:
        del os.environ["GRAPE_TEST_SECRET"]
    assert "the master's" not in seen
    assert str(os.getpid()) not in [line.split()[0] for line in seen.splitlines() if line.strip()]
    assert not {"vda", "sda", "mem", "kmsg", "loop0", "loop-control"} & set(seen.split())


def test_the_machine_is_out_of_reach(root: Path, tmp_path: Path) -> None:
    disk = os.stat(tmp_path).st_dev
    os.mknod(root / "etc/disk", 0o060666, disk)  # an image may bring one
    tries = [
        "head -c1 /etc/disk",
        f"mknod /tmp/disk b {os.major(disk)} {os.minor(disk)}",
        "mount -t tmpfs none /etc",
        "mount -o remount,rw /proc/sys",
        "mount -o remount,dev /",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo h > /proc/sysrq-trigger",
        "touch /sys/x",
        "hostname evil",
        "! date -s 2001-01-01 2>&1 | grep -q permitted",  # busybox ends with 0 all the same
        "cat /proc/kcore /proc/1/mem",
        "chroot /proc/1/root ls",
    ]
    for attempt in tries:
        assert said(root, f"if ({attempt}) >/dev/null 2>&1; then echo done; else echo denied; fi") == ["denied"], (
            attempt
        )
    assert said(root, "grep CapEff /proc/self/status") == ["CapEff:\t00000000b00405fb"]


def test_there_is_no_network_unless_asked(root: Path) -> None:
    assert [line.split(":")[1].strip() for line in said(root, "ip -o link")] == ["lo"]
    assert said(root, "ip -o link", network=True) != said(root, "ip -o link")


def test_names_are_looked_up_as_on_the_master_and_the_tree_stays(root: Path) -> None:
    mine = [line.strip() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    (root / "etc/resolv.conf").symlink_to("../run/grape/resolv.conf")
    assert [line.strip() for line in said(root, "cat /etc/resolv.conf", network=True)] == mine
    assert os.readlink(root / "etc/resolv.conf") == "../run/grape/resolv.conf"
    (root / "etc/resolv.conf").unlink()
    (root / "etc/resolv.conf").write_text("image's\n")
    assert [line.strip() for line in said(root, "cat /etc/resolv.conf", network=True)] == mine
    assert said(root, "cat /etc/resolv.conf") == ["image's"]
    assert (root / "etc/resolv.conf").read_text() == "image's\n"


def test_services_are_not_started_and_the_policy_goes_again(root: Path) -> None:
    assert said(root, "/usr/sbin/policy-rc.d ssh start; echo $?") == ["101"]
    assert list((root / "usr/sbin").iterdir()) == []
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 0\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    assert said(root, "/usr/sbin/policy-rc.d; echo $?") == ["0"]
    assert (root / "usr/sbin/policy-rc.d").exists()


@pytest.mark.parametrize("name", ["proc", "dev", "tmp"])
def test_a_mount_point_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / name).rmdir()
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandFailed, match=f"/{name} in the image is no folder"):
        said(root, "true")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_it_leaves_running_ends_with_it(root: Path) -> None:
    assert said(root, "setsid sleep 1000 >/dev/null 2>&1 & echo started") == ["started"]


def test_a_cancel_ends_everything_at_once(root: Path) -> None:
    work = Work()
    timer = threading.Timer(0.5, work.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run_inside(root, ("sh", "-c", "setsid sleep 1000 & trap '' TERM INT; sleep 1000; sleep 1000"), work)
    assert time.monotonic() - began < PATIENCE_S
    assert processes_in(root) == []


def test_a_listener_that_breaks_leaves_nothing_running(root: Path) -> None:
    def broken(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="hello"):
        run_inside(root, ("sh", "-c", "echo hello; sleep 1000"), Work(), broken)


def test_a_killed_graped_takes_the_command_along(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from graped.work import Work\n"
        "from graped.netboot.images.container import run_inside\n"
        "run_inside(Path(sys.argv[1]), ('sh', '-c', 'echo started; setsid sleep 1000 & sleep 1000'), Work(),"
        " lambda line: print(line, flush=True))"
    )
    argv = [sys.executable, "-c", code, str(root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as graped:
        assert graped.stdout is not None
        assert graped.stdout.readline() == "started\n"
        deadline = time.monotonic() + PATIENCE_S
        while len(processes_in(root)) < 2:  # it says so before it has started the other one
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(graped.pid, signal.SIGKILL)
        graped.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while processes_in(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(root) == []


def test_a_terminal_reaches_the_shell(root: Path) -> None:
    """As `grapecli image shell` has it: the program itself, at a pseudo terminal."""
    import pty

    argv = enter_argv(root, ("sh", "-c", "if [ -t 0 ]; then echo terminal; fi; read line; echo got $line"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    os.write(terminal, b"hello\n")
    heard = b""
    try:
        while chunk := os.read(terminal, 1000):
            heard += chunk
    except OSError:  # how a terminal says that nobody is there any more
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"terminal" in heard
    assert b"got hello" in heard


@pytest.mark.skipif(
    shutil.which("qemu-aarch64-static") is None, reason="needs qemu-aarch64-static: apt install qemu-user-static"
)
def test_a_foreign_program_runs_emulated_and_it_is_said_how_far(root: Path) -> None:
    program = root / "bin/hello"
    program.write_bytes(arm64_program(b"hello from arm64\n"))
    program.chmod(0o755)
    registered = emulation_of(root, "arm64", ("hello",)).note == ""
    lines: list[str] = []
    with pytest.raises(CommandFailed, match="code 7: hello from arm64"):
        run_inside(root, ("hello",), Work(), lines.append, arch="arm64")
    assert lines[-1] == "hello from arm64"
    if not registered:
        assert lines[0].startswith("this kernel does not know programs for arm64: only hello itself")


def test_nothing_to_run(root: Path) -> None:
    with pytest.raises(BadImage, match="no command"):
        run_inside(root, (), Work())
