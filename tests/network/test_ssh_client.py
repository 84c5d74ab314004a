"""The client against a real sshd: who is let in, what commands say, files, and each way in which it can go wrong."""

from __future__ import annotations

import contextlib
import shlex
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from graped.errors import (
    CommandFailed,
    CommandTimeout,
    HostKeyChanged,
    SshDenied,
    SshFailed,
    SshRefused,
    SshTimeout,
    Untrusted,
)
from graped.network.ssh_channel import OUTPUT_LIMIT_BYTES
from graped.network.ssh_client import Endpoint, Session, connect
from graped.network.ssh_keys import KeyRing
from tests.network.conftest import NODE, OTHER, PATIENCE_S
from tests.network.sshd import LOOPBACK, free_port, server, sshd

SHORT_S = 0.6
SLACK_S = 8.0  # a busy machine


# --- what a session does ----------------------------------------------------------------------------------


def test_a_command_says_what_it_says(session: Session) -> None:
    output = session.run("echo out; echo err >&2", timeout_s=PATIENCE_S)
    assert (output.code, output.stdout, output.stderr) == (0, "out\n", "err\n")


def test_what_is_given_arrives_whole_and_comes_back(session: Session) -> None:
    data = "".join(f"{number}\n" for number in range(300_000))  # about 2 MB, more than a window of SSH
    assert session.run("cat", stdin=data, timeout_s=PATIENCE_S).stdout == data


def test_what_it_said_before_its_end_is_heard_however_late(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graped.network.ssh_channel.LEFT_BEHIND_S", 0.0)
    monkeypatch.setattr("graped.network.ssh_channel.Talk._look", lambda _: time.sleep(0.05))
    data = "x" * 500_000
    assert session.run(f"head -c {len(data)} /dev/zero | tr '\\0' x", timeout_s=PATIENCE_S).stdout == data


def test_both_outputs_are_read_at_once(session: Session) -> None:
    line = "i=0; while [ $i -lt 3000 ]; do echo $i; echo $i >&2; i=$((i+1)); done"
    output = session.run(line, timeout_s=PATIENCE_S)
    assert output.stdout == output.stderr == "".join(f"{number}\n" for number in range(3000))


def test_an_unexpected_end_is_told_with_its_last_lines_and_without_the_line(session: Session) -> None:
    with pytest.raises(CommandFailed) as failed:
        session.run("false --token SECRET; echo first >&2; echo last >&2; exit 7", timeout_s=PATIENCE_S)
    assert failed.value.detail == f"{NODE}: false ended with code 7: first / last"
    assert failed.value.fields["exit_code"] == 7
    assert session.run("exit 7", expect=frozenset({7}), timeout_s=PATIENCE_S).code == 7


def test_a_command_that_a_signal_ends_is_told(session: Session) -> None:
    with pytest.raises(CommandFailed, match="was ended by a signal"):
        session.run("kill -9 $$", timeout_s=PATIENCE_S)
    assert session.alive


def test_a_command_that_does_not_listen_is_no_error(session: Session) -> None:
    assert session.run("exec 0<&-; echo done", stdin=b"x" * 5_000_000, timeout_s=PATIENCE_S).stdout == "done\n"


def test_what_a_command_leaves_behind_is_not_waited_for(session: Session) -> None:
    began = time.monotonic()
    assert session.run("sleep 20 & echo started", timeout_s=PATIENCE_S).stdout == "started\n"
    assert time.monotonic() - began < 15


def test_a_command_that_does_not_end_is_left(session: Session) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"worker-0-1: sleep did not end in 0\.6 s"):
        session.run("sleep 20", timeout_s=SHORT_S)
    assert time.monotonic() - began < SHORT_S + SLACK_S
    assert session.run("echo still", timeout_s=PATIENCE_S).stdout == "still\n"


def test_a_node_that_talks_without_end_is_left(session: Session) -> None:
    with pytest.raises(CommandFailed, match=f"more than {OUTPUT_LIMIT_BYTES} bytes"):
        session.run("yes", timeout_s=60)


def test_several_threads_share_a_session(session: Session) -> None:
    said: dict[int, str] = {}

    def ask(number: int) -> None:
        said[number] = session.run(f"echo {number}", timeout_s=PATIENCE_S).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert said == {number: f"{number}\n" for number in range(6)}


def test_a_raw_channel_speaks_both_ways(session: Session) -> None:
    with contextlib.closing(session.open("cat")) as channel:
        channel.sendall(b"ping")
        assert channel.recv(10) == b"ping"


@pytest.mark.parametrize("name", ["plain", "with space", "quote's", "$(touch oops)", "ü"])
def test_a_file_is_put_whole_with_its_mode(session: Session, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before")
    session.put(str(path), b"\x00after\xff", 0o640)
    assert path.read_bytes() == b"\x00after\xff"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_file_that_cannot_be_put_leaves_nothing(session: Session, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="writing "):
        session.put(str(tmp_path / "none" / "file"), b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("kept")
    with contextlib.suppress(CommandFailed):
        session.put(str(tmp_path / "short"), b"x")
    assert (tmp_path / "folder" / "inside").read_text() == "kept"


def test_a_large_file_is_copied_and_its_progress_told(session: Session, tmp_path: Path) -> None:
    source, target, told = tmp_path / "from", tmp_path / "to", list[tuple[int, int]]()
    source.write_bytes(bytes(range(256)) * 20_000)
    session.put_file(source, str(target), lambda done, total: told.append((done, total)), mode=0o600)
    assert target.read_bytes() == source.read_bytes()
    assert told[-1] == (5_120_000, 5_120_000)
    assert told == sorted(told)


def test_half_a_file_never_gets_the_name(ring: KeyRing, endpoint: Endpoint, tmp_path: Path) -> None:
    """The connection breaks off in the middle: over there that looks like the end of the input."""
    source, target = tmp_path / "from", tmp_path / "to"
    source.write_bytes(b"x" * 5_000_000)
    target.write_bytes(b"old")
    with connect(endpoint, ring.cluster_key(), timeout_s=PATIENCE_S) as session:

        def cut(done: int, _: int) -> None:
            if done > 1_000_000:
                session.close()

        with pytest.raises(SshFailed, match="broke off"):
            session.put_file(source, str(target), cut)
        assert not session.alive
    time.sleep(0.5)  # the shell over there sees its end
    assert target.read_bytes() == b"old"


def test_a_connection_that_dies_is_told(ring: KeyRing, endpoint: Endpoint) -> None:
    with connect(endpoint, ring.cluster_key(), timeout_s=PATIENCE_S) as session:
        with pytest.raises(SshFailed, match="the connection broke off"):
            session.run("kill -9 $PPID; sleep 5", timeout_s=PATIENCE_S)
        with pytest.raises(SshFailed, match="the connection broke off"):
            session.run("true", timeout_s=PATIENCE_S)


# --- who is let in, and who is met --------------------------------------------------------------------------


def test_nothing_pinned_is_refused_before_anything_is_sent(ring: KeyRing, endpoint: Endpoint) -> None:
    with pytest.raises(Untrusted) as refused:
        connect(replace(endpoint, host_keys=(), port=free_port()), ring.cluster_key(), timeout_s=PATIENCE_S)
    assert refused.value.hint == f"grapecli node trust {NODE}"


def test_another_host_key_is_told_and_shown(ring: KeyRing, endpoint: Endpoint) -> None:
    foreign = replace(endpoint, host_keys=ring.public_keys(OTHER))
    with pytest.raises(HostKeyChanged) as changed:
        connect(foreign, ring.cluster_key(), timeout_s=PATIENCE_S, password="secret")
    assert changed.value.fields["key"] == ring.public_keys(NODE)[0]


def test_keys_of_other_types_are_another_host(ring: KeyRing, endpoint: Endpoint, tmp_path: Path) -> None:
    with sshd(tmp_path, [ring.host_keys(NODE) / "ssh_host_ecdsa_key"]) as port, pytest.raises(HostKeyChanged):
        connect(
            replace(endpoint, port=port, host_keys=ring.public_keys(NODE)[:1]), ring.cluster_key(), timeout_s=PATIENCE_S
        )


def test_each_pinned_type_is_enough(ring: KeyRing, endpoint: Endpoint) -> None:
    for key in endpoint.host_keys:
        with connect(replace(endpoint, host_keys=(f"{key} a comment",)), ring.cluster_key(), timeout_s=PATIENCE_S) as one:  # fmt: skip  # noqa: E501
            assert one.alive


def test_a_key_that_is_not_good_there_is_denied_without_the_password_in_words(
    ring: KeyRing, endpoint: Endpoint
) -> None:
    stranger = ring.host_keys(OTHER) / "ssh_host_ed25519_key"
    with pytest.raises(SshDenied) as denied:
        connect(endpoint, stranger, timeout_s=PATIENCE_S, password="s3cret")
    assert "our key or the password" in denied.value.detail
    assert "s3cret" not in f"{denied.value.detail} {denied.value.hint} {denied.value.fields}"
    with pytest.raises(SshDenied, match="with nothing"):
        connect(endpoint, None, timeout_s=PATIENCE_S)


def test_a_key_of_ours_that_is_no_key_is_told(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(SshFailed, match="cannot read our key"):
        connect(endpoint, tmp_path / "none", timeout_s=PATIENCE_S)
    (tmp_path / "bad").write_text("no key")
    with pytest.raises(SshFailed, match="cannot be used"):
        connect(endpoint, tmp_path / "bad", timeout_s=PATIENCE_S)


def test_a_closed_port_is_refused(ring: KeyRing, endpoint: Endpoint) -> None:
    with pytest.raises(SshRefused):
        connect(replace(endpoint, port=free_port()), ring.cluster_key(), timeout_s=PATIENCE_S)


def test_a_black_hole_is_a_timeout(ring: KeyRing, endpoint: Endpoint) -> None:
    """A port whose queue is full drops what comes next, as a machine that hangs does."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        began = time.monotonic()
        with pytest.raises(SshTimeout):
            connect(replace(endpoint, port=listener.getsockname()[1]), ring.cluster_key(), timeout_s=SHORT_S)
        assert time.monotonic() - began < SHORT_S + SLACK_S


def silent(connection: socket.socket) -> None:
    connection.settimeout(PATIENCE_S)
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def half(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-Hung\r\n")
    silent(connection)


def web(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def test_a_host_that_hangs_is_a_timeout(ring: KeyRing, endpoint: Endpoint) -> None:
    for talk in (silent, half):
        with server(talk) as port:
            began = time.monotonic()
            with pytest.raises(SshTimeout):
                connect(replace(endpoint, port=port), ring.cluster_key(), timeout_s=SHORT_S)
            assert time.monotonic() - began < SHORT_S + SLACK_S


def test_a_host_that_is_no_ssh_has_failed(ring: KeyRing, endpoint: Endpoint) -> None:
    with server(web) as port, pytest.raises(SshFailed):
        connect(replace(endpoint, port=port), ring.cluster_key(), timeout_s=PATIENCE_S)


def test_no_thread_and_no_line_in_the_log_is_left(
    ring: KeyRing, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    threads = threading.active_count()
    with caplog.at_level("DEBUG"):
        with connect(endpoint, ring.cluster_key(), timeout_s=PATIENCE_S) as session:
            session.run(f"echo {shlex.quote('a b')}", timeout_s=PATIENCE_S)
        with server(web) as port, pytest.raises(SshFailed):
            connect(replace(endpoint, port=port), ring.cluster_key(), timeout_s=PATIENCE_S)
    assert not caplog.records
    deadline = time.monotonic() + PATIENCE_S
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= threads
