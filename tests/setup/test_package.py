"""The Debian package: its files, its control file, its scripts; that it installs is shown by the lab (test_deb)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from graped.errors import ConfigError, RequestError
from master_setup import cli, verbs
from master_setup.deb import contents, control, marks
from master_setup.deb.building import lay_out
from master_setup.deb.contents import SETUP, Member
from master_setup.lockfile import FOLDER
from master_setup.options import Options, merged
from master_setup.record import Record, load
from master_setup.steps import STEPS
from tests.setup.fake_debian import FakeDebian, machine

SOURCE = FOLDER.parent
PROGRAMS = ("graped", "grapecli", "grape_docker", "grape-setup", "grape-image")
SCRIPTS = {(name, shell): f"{name} {shell}\n" for name in contents.COMPLETED for shell in contents.COMPLETIONS}


@pytest.fixture(scope="module")
def members() -> dict[str, Member]:
    return {member.path: member for member in contents.members(SOURCE, SCRIPTS, "9.8.7")}


def test_everything_that_the_installer_would_put_there(members: dict[str, Member]) -> None:
    units = {path.name for path in (FOLDER / "files/units").iterdir() if path.is_file()}
    assert units == {path.rsplit("/", 1)[1] for path in members if path.startswith("usr/lib/systemd/system/")}
    for command in PROGRAMS:
        assert members[f"usr/bin/{command}"].target == f"/opt/grape/venv/bin/{command}"
    for name in contents.COMPLETED:
        assert members[f"usr/share/bash-completion/completions/{name}"].content == f"{name} bash\n".encode()
    for page in (FOLDER / "files/man").iterdir():
        assert f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz" in members
    assert not any(path.startswith(("etc/", "usr/local/", "var/")) for path in members)  # those are the steps' to make


def test_the_steps_in_it_run_on_the_bare_python_and_say_its_version(members: dict[str, Member], tmp_path: Path) -> None:
    lay_out(tmp_path, (member for path, member in members.items() if path.startswith(SETUP)))
    script = "import graped, master_setup.verbs as v; print(graped.__version__, v.__file__)"
    done = subprocess.run(
        ("/usr/bin/env", "-i", f"PYTHONPATH={tmp_path / SETUP}", "python3", "-B", "-S", "-c", script),
        capture_output=True, text=True, check=True, cwd="/", timeout=20,
    )  # fmt: skip
    assert done.stdout.split() == ["9.8.7", f"{tmp_path / SETUP}/master_setup/verbs.py"]
    assert not (tmp_path / SETUP / "pyproject.toml").exists()  # with it the steps would install a source tree


def test_modes_do_not_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        lay_out(tmp_path, [Member(path="a/b/c", content=b"x"), Member(path="a/d", content=b"y", mode=0o755)])
    finally:
        os.umask(before)
    modes = {str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert modes == {"a": "0o755", "a/b": "0o755", "a/b/c": "0o644", "a/d": "0o755"}


def test_the_control_file() -> None:
    text = control.control(version="0.1.0", arch="arm64", depends=control.depends(STEPS, "arm64"), size_kb=1)
    fields = dict(line.split(": ", 1) for line in text.splitlines() if line[0] != " ")
    assert fields["Architecture"] == "arm64"
    assert {"python3-venv", "dnsmasq-base", "python3 (>= 3.11)"} <= set(fields["Depends"].split(", "))
    with pytest.raises(ConfigError, match="no version"):
        control.control(version="../1", arch="arm64", depends=(), size_kb=1)


@pytest.mark.parametrize("name", ["preinst", "postinst", "prerm", "postrm"])
def test_scripts_are_for_any_shell_and_stop_at_errors(name: str) -> None:
    path = contents.SCRIPTS / name
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "\nset -e\n" in path.read_text()
    subprocess.run(("sh", "-n", path), check=True, timeout=10)


def test_what_a_node_uses_is_told_by_the_connections_to_port_2049(tmp_path: Path) -> None:
    """The one expression of preinst, prerm and postrm, on lines as the kernel writes them."""
    (expression,) = {
        line.split("grep -Eq ")[1].strip().strip("'")
        for name in ("preinst", "prerm", "postrm")
        for line in (contents.SCRIPTS / name).read_text().splitlines()
        if "grep -Eq" in line
    }

    def told(local: str, state: str) -> bool:
        line = f"   3: {local} 0A4D000A:0386 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n"
        return subprocess.run(("grep", "-Eq", expression), input=line.encode(), check=False, timeout=5).returncode == 0

    assert told("01004D0A:0801", "01")
    assert told("0000000000000000FFFF000001004D0A:0801", "01")
    assert not told("00000000:0801", "0A")  # it listens
    assert not told("01004D0A:0016", "01")  # somebody logged in


def test_no_packages_is_for_dpkg_alone() -> None:
    """The package says it while dpkg runs; who adds the cluster's network later wants what that needs installed."""
    recorded = merged(Options(), {"packaged": True, "packages": False})
    assert not recorded.packages
    assert merged(recorded, {"interface": "eth1"}).packages
    assert not merged(Options(packages=False), {}).packages


def test_revert_leaves_a_package_to_apt(fake: FakeDebian) -> None:
    here = machine(fake)
    record = Record(here, Options(packaged=True))
    record.save()
    with pytest.raises(RequestError, match="Debian package"):
        verbs.run(here, cli.parse(["revert", "--yes"]))
    assert verbs.run(here, cli.parse(["revert", "--yes", "--packaged", "--no-packages", "--without=config"])) == 0
    assert not load(here).options.packaged  # ./master_setup/install may follow


def test_a_purge_takes_accounts_that_came_with_grape(fake: FakeDebian) -> None:
    here = machine(fake)
    record = Record(here)
    for key, there in (("user grape", False), ("group grape", True), ("user grape-docker", False)):
        record.open(key, key.split()[0], "accounts", {"name": "grape"}).remember({"there": there})
    (fake.root / "var/lib/grape/setup/made-group").touch()
    marks.mark(here)
    assert (fake.root / "var/lib/grape/setup/made-passwd").exists()
    assert (fake.root / "var/lib/grape/setup/made-passwd-docker").exists()
    assert not (fake.root / "var/lib/grape/setup/made-group").exists()
