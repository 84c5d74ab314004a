"""The Debian package: installed on a bare machine; upgraded, half and whole, while slots are on; removed; purged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from master_setup.deb.building import BUILD_FOLDER, build
from master_setup.targets import this_arch
from tests.lab.machines.bare_machine import SOURCE, BareMachine
from tests.lab.run import Run
from tests.lab.suites.system.before import Before

OLD = "0.0.9"
MEMBER, OUTSIDER = "mary", "joe"
STATE = "/var/lib/grape"
TRACE = "/srv/trace.jsonl"
APT = ("apt-get", "--quiet=2", "--yes")
APT_S = 240.0
CONNECTED = """
import socket, time
server = socket.create_server(("127.0.0.1", 2049))
node = socket.create_connection(("127.0.0.1", 2049), source_address=("127.0.0.1", 900))
time.sleep(3600)
"""
# On the machine, in one go: a command for each step would take longer than pip. Who is killed holds dpkg's lock until
# he is gone.
KILLED_WHILE_FILLED = """
until [ "$(ls -d /opt/grape/venvs/*/lib/python3*/site-packages/annotated_types | wc -l)" = 2 ]; do sleep 0.01; done
systemctl kill --signal=KILL upgrade
until [ "$(systemctl show --property=LoadState --value upgrade)" = not-found ]; do sleep 0.05; done
"""
ON = ("worker-0-0", "worker-0-5")  # of the sample configuration, which the package installs

# A rack outlives graped: it is a unit of its own, and its program is not what is upgraded.
RACK = f"""\
[Service]
Type=forking
Environment=PYTHONPATH={SOURCE} PYTHONDONTWRITEBYTECODE=1
StateDirectory=grape
StateDirectoryMode=0711
ExecStart=/usr/bin/python3 -m graped.hardware.sim --state-dir {STATE}
"""
SIMULATED = f"""\
[Unit]
Requires=grape-rack.service
After=grape-rack.service
[Service]
ReadWritePaths=/srv
ExecStart=
ExecStart=/opt/grape/venv/bin/graped --simulate --state-dir {STATE} --sim-trace {TRACE}
"""
UNITS = {
    "/etc/systemd/system/grape-rack.service": RACK,
    "/etc/systemd/system/graped.service.d/lab.conf": SIMULATED,
}


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """Build the package of the version before, and of this one."""
    return {"old": build(arch=this_arch(), version=OLD), "new": build(arch=this_arch())}


@pytest.fixture
def debs(packages: dict[str, Path]) -> dict[str, str]:
    """Tell where a machine sees them: in the source tree that it is shown."""
    return {name: f"{SOURCE}/{path.relative_to(BUILD_FOLDER.parent)}" for name, path in packages.items()}


def test_on_a_bare_machine(lab: Run, debs: dict[str, str]) -> None:
    machine = BareMachine(lab)
    machine.boot()
    people(machine)
    machine.do("apt-get", "--quiet=2", "update")
    machine.do(*APT, "--no-install-recommends", "install", debs["new"], timeout_s=APT_S)
    assert machine.do("systemctl", "is-enabled", "graped").strip() == "enabled"
    machine.do("systemctl", "is-active", "graped", code=3)  # the first start is the administrator's

    machine.do("systemctl", "start", "graped")
    machine.do("gpasswd", "--add", MEMBER, "grape")
    assert json.loads(machine.do("grapecli", "status", "--json", user=MEMBER))["stacks"]
    refused = machine.attempt("grapecli", "status", user=OUTSIDER)
    assert refused.returncode == 4  # grapecli --help: not allowed
    assert "group grape" in refused.stderr
    machine.do("bash", "-c", "source /usr/share/bash-completion/completions/grapecli && complete -p grapecli")
    machine.do("grape-setup", "check")

    # The distribution's Python has changed, says dpkg: the environment is looked at, and is still the right one.
    machine.do("dpkg-trigger", "--by-package=python3-minimal", "--no-await", "/usr/bin/python3")
    assert "Nothing to do" in machine.do("dpkg", "--triggers-only", "grape")

    # Nothing is removed from under a node: one that is connected, then something that is mounted.
    machine.do("systemd-run", "--quiet", "--unit=node", "python3", "-c", CONNECTED)
    machine.do("sh", "-c", "until grep -q ':0801 [^ ]* 01' /proc/net/tcp; do sleep 0.1; done")
    assert "power off @on" in machine.do(*APT, "remove", "grape", timeout_s=APT_S, code=100)
    machine.do("grapecli", "status", user=MEMBER)
    machine.do("systemctl", "stop", "node")
    root = f"{STATE}/netboot/roots/worker-0-0"
    machine.do("mkdir", "--parents", root)
    machine.do("mount", "-t", "tmpfs", "none", root)
    machine.do("touch", f"{root}/file")
    assert "it stays" in machine.do(*APT, "purge", "grape", timeout_s=APT_S)
    assert machine.path(f"{root}/file").exists()
    assert not machine.path("/etc/grape").exists()


def test_upgrade_with_slots_on_then_remove_and_purge(lab: Run, debs: dict[str, str]) -> None:
    machine = BareMachine(lab)
    machine.boot()
    people(machine)
    machine.do("apt-get", "--quiet=2", "update")
    needed = machine.do("dpkg-deb", "--field", debs["new"], "Depends").strip()
    machine.do(*APT, "--no-install-recommends", "satisfy", needed, timeout_s=APT_S)  # so that what is left is ours
    before = Before(machine)
    for path, text in UNITS.items():
        machine.path(path).parent.mkdir(parents=True, exist_ok=True)
        machine.path(path).write_text(text)
    machine.do(*APT, "--no-install-recommends", "install", debs["old"], timeout_s=APT_S)
    machine.do("systemctl", "start", "graped")
    machine.do("gpasswd", "--add", MEMBER, "grape")
    machine.do("grapecli", "power", "on", ",".join(ON), "--wait", "--yes", user=MEMBER)
    kept = "# mine\n" + machine.path("/etc/grape/config.toml").read_text()
    machine.path("/etc/grape/config.toml").write_text(kept)
    was, pid = slots(machine), main_pid(machine)
    assert {name for name, power in was.items() if power == "on"} == set(ON)
    written = len(writes(machine))
    assert written >= len(ON)

    interrupted(machine, debs["new"])
    assert main_pid(machine) == pid  # it runs on, from the environment it was started from
    assert slots(machine) == was
    machine.do("dpkg", "--configure", "-a", timeout_s=APT_S)
    assert main_pid(machine) not in (pid, 0)
    assert "0.0.9" not in machine.do("grapecli", "version", user=MEMBER)
    assert slots(machine) == was
    assert len(writes(machine)) == written
    assert machine.path("/etc/grape/config.toml").read_text() == kept
    assert len(list(machine.path("/opt/grape/venvs").iterdir())) == 1

    machine.do(*APT, "remove", "grape", timeout_s=APT_S)
    assert machine.path("/etc/grape/config.toml").read_text() == kept
    assert len(writes(machine)) == written
    assert not machine.path("/opt/grape").exists()
    machine.do("systemctl", "stop", "grape-rack")
    machine.do(*APT, "purge", "grape", timeout_s=APT_S)
    for path in (*UNITS, TRACE):
        machine.path(path).unlink()
    machine.path("/etc/systemd/system/graped.service.d").rmdir()
    machine.do("systemctl", "daemon-reload")
    left = before.differences()
    assert left == [], "\n".join(left)


def people(machine: BareMachine) -> None:
    """Have two users on it."""
    for name in (MEMBER, OUTSIDER):
        machine.do("useradd", "--create-home", name)


def interrupted(machine: BareMachine, deb: str) -> None:
    """Begin an upgrade, and kill all of it while the new environment is filled."""
    words = ("systemd-run", "--quiet", "--collect", "--unit=upgrade", *APT, "--no-install-recommends", "install", deb)
    machine.do(*words)
    killed = machine.attempt("sh", "-c", KILLED_WHILE_FILLED, timeout_s=APT_S)
    assert killed.returncode == 0, machine.journal("upgrade.service")


def slots(machine: BareMachine) -> dict[str, str]:
    """Tell what is observed of each slot with a node, once graped has looked."""
    deadline = time.monotonic() + 60.0
    while True:
        nodes: list[dict[str, Any]] = json.loads(machine.do("grapecli", "status", "--json", user=MEMBER))["nodes"]
        found = {node["name"]: node["power"]["observed"] for node in nodes}
        if "unknown" not in found.values() or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def main_pid(machine: BareMachine) -> int:
    """Tell which process graped is; 0 where there is none."""
    return int(machine.do("systemctl", "show", "--property=MainPID", "--value", "graped"))


def writes(machine: BareMachine) -> list[dict[str, Any]]:
    """Tell each transaction that wrote a power port of the rack."""
    lines = (json.loads(line) for line in machine.path(TRACE).read_text().splitlines())
    return [line for line in lines if "port_before" in line and line["op"] == "send_byte"]
