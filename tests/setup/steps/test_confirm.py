"""A change of the network stays by a word of the administrator, and by nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from graped.errors import GrapeError
from master_setup import cli, network_undo, verbs
from master_setup.machine import Machine
from master_setup.network_undo import Pending
from tests.setup.steps.replica import Programs, addresses, says, tree

WAITING = Pending(interface="eth1", address="10.77.0.1/24", left_s=120)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def armed(root: Path, *there: str) -> Machine:
    """Give a machine whose change waits, with these addresses on the interface."""
    programs = Programs({"systemctl": says(""), "ip": addresses(eth1=there)})
    folders = {"/run/systemd/system/": "", "/etc/systemd/system/timers.target.wants/": "", "/proc/uptime": "1.0 1.0"}
    machine = tree(root, folders, programs)
    network_undo.arm(machine, WAITING, ["/etc/x"], ([("ifdown", "eth1")], [], []))
    return machine


def test_confirm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = armed(tmp_path, "10.77.0.1/24")
    assert verbs.situation_notes(machine) == ["eth1 goes back to what it was in 120 s: grape-setup confirm keeps it."]
    assert verbs.run(machine, cli.parse(["confirm"])) == 0
    assert capsys.readouterr().out == "eth1 keeps 10.77.0.1/24.\n"
    assert not network_undo.armed(machine)
    assert not any(map(machine.exists, (*network_undo.UNIT_FILES, network_undo.ROOM)))
    assert verbs.run(machine, cli.parse(["confirm", "--json"])) == 0
    assert verbs.situation_notes(machine) == []


def test_what_does_not_work_goes_back(tmp_path: Path) -> None:
    machine = armed(tmp_path)
    with pytest.raises(GrapeError, match="eth1 has no address"):
        verbs.run(machine, cli.parse(["confirm"]))
    assert network_undo.armed(machine)


@pytest.mark.parametrize(("answer", "kept"), [("y\n", True), ("yes\n", True), ("n\n", False), ("", False)])
def test_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, kept: bool) -> None:
    machine = armed(tmp_path, "10.77.0.1/24")
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert verbs._keep_by_word(machine, cli.parse(["apply"]), WAITING) == 0
    assert network_undo.armed(machine) is not kept


def test_an_answer_that_comes_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = armed(tmp_path, "10.77.0.1/24")
    network_undo.disarm(machine)  # the timer was faster
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    with pytest.raises(GrapeError, match="too late"):
        verbs._keep_by_word(machine, cli.parse(["apply"]), WAITING)
