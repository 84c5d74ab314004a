"""`make demo`: the daemon on a simulated rack, driven by the command line a user would type."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
START_S = 20.0


def say(text: str) -> None:
    """Tell what comes next."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def cli(socket: Path, *words: str) -> None:
    """Run one grapecli command, shown as typed."""
    say(f"$ grapecli {' '.join(words)}")
    subprocess.run([BIN / "grapecli", "--socket", socket, *words], check=True)


def wait_for(daemon: subprocess.Popen[bytes], socket: Path) -> None:
    """Wait until the daemon answers, and has read every port."""
    for _ in range(int(START_S / 0.1)):
        if daemon.poll() is not None:
            raise SystemExit(f"graped ended with code {daemon.returncode}; see {socket.parent / 'graped.log'}")
        ask = [BIN / "grapecli", "--socket", socket, "--json", "status"]
        answer = subprocess.run(ask, capture_output=True, check=False)
        if answer.returncode == 0 and all(stack["read_at"] for stack in json.loads(answer.stdout)["stacks"]):
            return
        time.sleep(0.1)
    raise SystemExit(f"graped did not answer within {START_S:g} s")


def main() -> None:
    """Show the main job; end with code 0 and nothing left running."""
    room = Path(tempfile.mkdtemp(prefix="grape-demo-"))
    socket = room / "graped.sock"
    command = [BIN / "graped", "--simulate", "--state-dir", room, "--socket", socket]
    say(f"$ graped --simulate --state-dir {room} --socket {socket}")
    with (room / "graped.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(daemon, socket)
        cli(socket, "power", "on", "@all", "--dry-run")
        cli(socket, "power", "on", "@all", "--wait=up", "--timeout", "120")
        cli(socket, "power", "off", "worker-1-3", "--wait")
        cli(socket, "status")
        cli(socket, "sim", "display")
        cli(socket, "events", "--limit", "5")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(10)
        subprocess.run([BIN / "graped", "--sim-stop", "--state-dir", room], check=False)
        shutil.rmtree(room, ignore_errors=True)
    say("Done. The daemon and the simulated rack are stopped; nothing is left running.")


if __name__ == "__main__":
    main()
