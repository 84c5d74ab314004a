"""``grapecli node look`` against the real API in memory."""

from __future__ import annotations

from pathlib import Path

from graped.model import Stage
from tests.api.conftest import serving
from tests.cli.conftest import Run


def test_a_look_tells_rung_by_rung(run: Run, socket_path: Path) -> None:
    with serving(socket_path) as served:
        assert run("power", "on", "worker-0-[1-2]", "--wait").code == 0
        served.do(lambda: served.rack.stage(0, 2, Stage.UP))
        header, *lines = run("node", "look", "worker-0-[0-2]").out.splitlines()
        assert header.split() == ["NODE", "LINK", "PING", "SSH", "COMMAND", "WHAT", "WAS", "SEEN"]
        assert [line.split()[:4] for line in lines] == [
            ["worker-0-0", "no", "no", "no"],
            ["worker-0-1", "yes", "yes", "says"],
            ["worker-0-2", "yes", "yes", "pinned"],
        ]  # fmt: skip
        told = run("node", "look", "worker-0-2", "--json").json
        assert told == [{
            "name": "worker-0-2", "link": True, "ping": True, "ssh": "trusted", "command": True,
            "text": "link up, ping answers in 0.4 ms, SSH lets us in, a command ends well",
        }]  # fmt: skip
        assert run("node", "look", "nobody").code == 2
