"""Mounting by systemd's units: the same mounts as our own, made by another program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from graped.config.types import Strategy
from graped.errors import CommandFailed, InUse, NotFound, ServerError
from graped.netboot.roots import mounting
from graped.netboot.roots.mounts import UnitMounts, check_mounted, unit
from graped.netboot.roots.records import Layout
from graped.netboot.systemd import Systemctl
from graped.runner import Output
from tests.netboot.roots.rig import NODE, OTHER, Rig


class Systemd:
    """Behaves as systemctl with ``grape-root@.service`` (Type=oneshot, RemainAfterExit=yes) would."""

    def __init__(self, environment: Path) -> None:
        self._environment = environment
        self.active: set[str] = set()
        self.asked: list[tuple[str, ...]] = []

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        self.asked.append(argv[1:])
        match argv:
            case ("systemctl", "restart", _, _, *_):
                jobs = [("systemctl", "restart", name) for name in argv[2:]]
                code = max(self.run(job, timeout_s=timeout_s, expect=frozenset({0, 1})).code for job in jobs)
            case ("systemctl", "restart", name) if name in self.active:
                self._exec("unmount", name)
                self.active.remove(name)
                return self.run(argv, timeout_s=timeout_s, expect=expect)
            case ("systemctl", "start" | "restart", name):
                code = 0 if name in self.active else self._exec("mount", name)
                if code == 0:
                    self.active.add(name)
            case ("systemctl", "stop", name):
                code = 0  # the job is done whatever the command says; the unit is then "failed"
                if name in self.active:
                    self._exec("unmount", name)
                    self.active.remove(name)
            case ("systemctl", "show", "--property=LoadState", "--value", _):
                return Output(code=0, stdout="loaded\n")
            case ("systemctl", "status", *_):
                return Output(code=3, stdout="x a root\n\nNov 26 10:00:00 master python[1]: it cannot be mounted\n")
            case _:
                raise AssertionError(f"unexpected: {argv}")
        if code not in expect:
            raise CommandFailed("systemctl ended with code 1: Job failed")
        return Output(code=code, stdout="")

    def _exec(self, verb: str, name: str) -> int:
        instance = name.removeprefix("grape-root@").removesuffix(".service")
        text = self._environment.read_text().strip()
        key, _, value = text.partition("=")
        module = "graped.netboot.roots.mounting"
        argv = (sys.executable, "-m", module, verb, instance)
        return subprocess.run(argv, env={**os.environ, key: value.strip('"')}, timeout=30).returncode


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path / "netboot.env")


@pytest.fixture
def units(rig: Rig, systemd: Systemd, tmp_path: Path) -> UnitMounts:
    mounts = UnitMounts(
        rig.folder, Systemctl(systemd, rig.folder, environment=tmp_path / "netboot.env", booted=tmp_path)
    )
    rig.roots = rig.fresh(mounts=mounts)
    return mounts


def test_roots_by_units(rig: Rig, units: UnitMounts, systemd: Systemd) -> None:
    assert rig.roots.choose(Strategy.AUTO) is Strategy.OVERLAY  # tried by a unit too
    assert systemd.active == set()
    rig.create(Strategy.OVERLAY)
    assert systemd.active == {"grape-root@worker-0-0--1.service"}
    assert units.mounted() == {(NODE, "1")}
    (rig.root() / "file").write_text("x")
    rig.reset()
    rig.roots.release(NODE)
    rig.roots.retire(NODE)
    assert systemd.active == {unit(NODE, "2")}
    rig.roots.remove(NODE)
    assert (systemd.active, rig.mounted()) == (set(), [])


def test_a_busy_root_stays_and_goes_when_it_is_let_go(rig: Rig, units: UnitMounts) -> None:
    rig.create(Strategy.OVERLAY)
    busy = os.open(rig.root() / "etc/issue", os.O_RDONLY)
    with pytest.raises(InUse):
        units.unmount(NODE, "1")
    assert units.mounted() == {(NODE, "1")}
    os.close(busy)
    units.unmount(NODE, "1")  # though its unit is no longer active
    assert units.mounted() == frozenset()
    units.unmount(NODE, "1")  # once more changes nothing


def test_a_mount_that_somebody_undid_comes_back(rig: Rig, units: UnitMounts) -> None:
    rig.create(Strategy.OVERLAY)
    rig.unmount_all()
    assert rig.roots.mount_all() == {}
    assert units.mounted() == {(NODE, "1")}


def test_after_a_reboot_all_are_mounted_at_once_and_then_nobody_is_asked_again(
    rig: Rig, units: UnitMounts, systemd: Systemd
) -> None:
    rig.create(Strategy.OVERLAY)
    rig.create(Strategy.OVERLAY, OTHER)
    rig.unmount_all()
    systemd.active.clear()
    systemd.asked.clear()
    assert rig.roots.mount_all() == {}
    assert systemd.asked[0] == ("restart", unit(NODE, "1"), unit(OTHER, "1"))
    assert units.mounted() == {(NODE, "1"), (OTHER, "1")}
    systemd.asked.clear()
    assert rig.roots.mount_all() == {}
    assert systemd.asked == []


def test_of_many_the_one_that_fails_is_told(rig: Rig, units: UnitMounts) -> None:
    rig.create(Strategy.OVERLAY)
    rig.create(Strategy.OVERLAY, OTHER)
    rig.unmount_all()
    (rig.folder / "roots" / NODE / "1" / "work").rename(rig.folder / "elsewhere")
    assert list(rig.roots.mount_all()) == [NODE]
    assert units.mounted() == {(OTHER, "1")}


def test_a_unit_that_fails_is_told(rig: Rig, units: UnitMounts) -> None:
    rig.create(Strategy.OVERLAY)
    units.unmount(NODE, "1")
    (rig.folder / "roots" / NODE / "1" / "work").rename(rig.folder / "elsewhere")
    with pytest.raises(ServerError, match=r"cannot restart root 1 of worker-0-0: .*it cannot be mounted"):
        units.mount(NODE, "1")
    assert NODE in rig.roots.mount_all()


def test_a_mount_that_is_not_seen_is_not_exported(rig: Rig, units: UnitMounts) -> None:
    with pytest.raises(ServerError, match="not seen"):
        check_mounted(units, NODE, "7")


def test_names_are_names(rig: Rig, units: UnitMounts) -> None:
    for node, generation in (("../x", "1"), (NODE, "../1"), ("", ""), ("a b", "1")):
        with pytest.raises(ValueError, match="not a"):
            units.mount(node, generation)
    with pytest.raises(SystemExit):
        mounting.main(["mount", "../..--1", "--folder", str(rig.folder)])


def test_the_program_says_what_is_wrong(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert mounting.main(["mount", f"{OTHER}--1", "--folder", str(rig.folder)]) == 1
    assert capsys.readouterr().err == f"{OTHER} has no root 1\n"
    with pytest.raises(NotFound):
        mounting.mount(Layout(rig.folder), OTHER, "1", rig.runner)
