"""A system is asked to stop or to start again: by a real SSH server, with a systemctl that only writes down."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from graped.errors import CommandFailed, SshDenied, SshFailed, SshRefused
from graped.operate.power import asking
from graped.operate.power.asking import Wish, ask_system, words
from tests.network.sshd import free_port
from tests.operate.yard import machine


@pytest.mark.parametrize("wish", list(Wish))
def test_systemd_is_asked_and_not_waited_for(tmp_path: Path, wish: Wish) -> None:
    with machine(tmp_path) as node:
        ask_system(node.at, node.key, wish)
        asked = f"systemctl --no-block --no-wall {wish}"
        assert node.said == ([f"sudo -n {asked}"] if os.geteuid() else []) + [asked]


def test_a_system_without_systemd_has_a_command_for_it(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        (node.folder / "bin" / "systemctl").unlink()
        ask_system(node.at, node.key, Wish.POWEROFF)
        assert node.said[-1] == "poweroff "


def test_a_login_that_is_ended_by_the_stop_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's process of this login goes, as in a shutdown; the command had begun."""
    monkeypatch.setattr(asking, "ASK_S", 20.0)
    with machine(tmp_path) as node:
        node.program("systemctl", "p=$PPID", "while read -r _ name _ up _ </proc/$p/stat; do",
                     'case "$name" in *sshd*) kill -9 $p; break;; esac', "p=$up", "done", "sleep 25")  # fmt: skip
        began = time.monotonic()
        ask_system(node.at, node.key, Wish.POWEROFF)
        assert time.monotonic() - began < asking.ASK_S
        assert node.said[-1].startswith("systemctl")


def test_a_command_that_a_signal_ends_is_no_failure(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        node.program("systemctl", "kill -9 $$")
        ask_system(node.at, node.key, Wish.REBOOT)


def test_a_system_that_refuses_says_why(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        node.program("systemctl", "echo 'Call to PowerOff failed: Access denied' >&2", "exit 1")
        with pytest.raises(CommandFailed) as told:
            ask_system(node.at, node.key, Wish.POWEROFF)
        assert words(told.value, "worker-0-0") == (
            "poweroff ended with code 1: Call to PowerOff failed: Access denied"
        )  # fmt: skip


def test_who_is_not_let_in_asks_nobody(tmp_path: Path) -> None:
    with machine(tmp_path, lets_in=False) as node, pytest.raises(SshDenied):
        ask_system(node.at, node.key, Wish.POWEROFF)


def test_a_node_without_an_address_is_not_this_machine(tmp_path: Path) -> None:
    with machine(tmp_path) as node, pytest.raises(SshFailed, match="no address"):
        ask_system(replace(node.at, address=""), node.key, Wish.POWEROFF)
    assert node.said == []


def test_a_closed_port_is_told(tmp_path: Path) -> None:
    with machine(tmp_path) as node, pytest.raises(SshRefused):
        ask_system(replace(node.at, port=free_port()), node.key, Wish.POWEROFF)
