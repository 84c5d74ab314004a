"""Servers kept by systemd: asked for by systemctl, never started by us."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from graped.errors import CommandFailed, ServerError
from graped.netboot.servers import ServerSpec, SystemdServers, own_unit
from graped.netboot.systemd import Systemctl
from graped.runner import Output

SPEC = ServerSpec(
    name="dnsmasq",
    argv=("dnsmasq", "-k"),
    unit="grape-dnsmasq.service",
    pid_file=Path("/nowhere/pid"),
    output=Path("/nowhere/out"),
)
STATUS = """x grape-dnsmasq.service - DHCP
     Active: failed (Result: exit-code)

Nov 26 10:00:00 master dnsmasq[1]: failed to bind DHCP server socket
"""


class FakeSystemctl:
    """One unit, as systemctl shows it. ``broken``: it does not come up. ``missing``: it is not installed."""

    def __init__(self, state: str = "inactive") -> None:
        self.state, self.pid, self.broken, self.starts, self.reloads = state, 0, False, 0, 0
        self.missing = False
        if state == "active":
            self._up()

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        assert argv[0] == "systemctl"
        assert argv[-1] == SPEC.unit
        code, said = self._answer(argv[1:-1])
        if code not in expect:
            raise CommandFailed(f"systemctl ended with code {code}", exit_code=code)
        return Output(code=code, stdout=said)

    def _answer(self, words: tuple[str, ...]) -> tuple[int, str]:
        match words:
            case ("is-active",):
                return (0 if self.state == "active" else 3), self.state + "\n"
            case ("start",) | ("restart",):
                if self.broken or self.missing:
                    self.state, self.pid = "failed", 0
                    return 1, ""
                self._up()
                return 0, ""
            case ("stop",):
                self.state, self.pid = "inactive", 0
                return 0, ""
            case ("reload",):
                self.reloads += self.state == "active"
                return (0 if self.state == "active" else 1), ""
            case ("show", "--property=MainPID", "--value"):
                return 0, f"{self.pid}\n"
            case ("show", "--property=LoadState", "--value"):
                return 0, ("not-found" if self.missing else "loaded") + "\n"
            case ("status", "--no-pager", "--full", "--lines=3"):
                return 3, STATUS
        raise AssertionError(words)

    def _up(self) -> None:
        self.starts += 1
        self.state, self.pid = "active", 100 + self.starts


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A machine that systemd has booted."""
    (tmp_path / "booted").mkdir()
    return tmp_path


def servers_of(fake: FakeSystemctl, room: Path) -> SystemdServers:
    at = {"environment": room / "run/netboot.env", "booted": room / "booted"}
    return SystemdServers(Systemctl(fake, Path("/srv/netboot"), **at))


def test_an_active_unit_is_left_alone(room: Path) -> None:
    fake = FakeSystemctl("active")
    assert not servers_of(fake, room).ensure(SPEC)
    assert servers_of(fake, room).running(SPEC) == 101


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating"])
def test_a_dead_unit_is_started(room: Path, state: str) -> None:
    fake = FakeSystemctl(state)
    assert servers_of(fake, room).running(SPEC) is None
    assert servers_of(fake, room).ensure(SPEC)
    assert servers_of(fake, room).running(SPEC) == 101


def test_a_unit_that_systemd_is_about_to_restart_is_left_to_it(room: Path) -> None:
    fake = FakeSystemctl("activating")
    assert not servers_of(fake, room).ensure(SPEC)
    assert fake.starts == 0


def test_restart_reload_stop(room: Path) -> None:
    fake = FakeSystemctl("active")
    servers = servers_of(fake, room)
    assert servers.ensure(SPEC, restart=True)
    assert servers.running(SPEC) == 102
    servers.reload(SPEC)
    assert fake.reloads == 1
    servers.stop(SPEC)
    assert servers.running(SPEC) is None
    with pytest.raises(ServerError, match="cannot reload dnsmasq"):
        servers.reload(SPEC)


def test_a_unit_that_does_not_come_up_is_told_with_its_last_words(room: Path) -> None:
    fake = FakeSystemctl()
    fake.broken = True
    with pytest.raises(ServerError, match=r"cannot start dnsmasq: .*failed to bind DHCP server socket") as caught:
        servers_of(fake, room).ensure(SPEC)
    assert caught.value.hint == "See: journalctl -u grape-dnsmasq.service"


def test_units_are_told_the_folder_before_they_start(room: Path) -> None:
    servers_of(FakeSystemctl(), room).ensure(SPEC)
    assert (room / "run/netboot.env").read_text() == 'GRAPE_NETBOOT_FOLDER="/srv/netboot"\n'


def test_a_unit_that_is_not_installed_is_told_with_what_to_do(room: Path) -> None:
    fake = FakeSystemctl()
    servers_of(fake, room).check((SPEC.unit,))
    fake.missing = True
    for attempt in (lambda: servers_of(fake, room).ensure(SPEC), lambda: servers_of(fake, room).check((SPEC.unit,))):
        with pytest.raises(ServerError, match=r"systemd has no unit grape-dnsmasq\.service") as caught:
            attempt()
        assert "master_setup/install apply" in caught.value.hint
        assert 'netboot.supervisor = "process"' in caught.value.hint


def test_a_machine_without_systemd_is_told_with_what_to_do(room: Path) -> None:
    (room / "booted").rmdir()
    with pytest.raises(ServerError, match="systemd does not run here") as caught:
        servers_of(FakeSystemctl(), room).check((SPEC.unit,))
    assert 'netboot.supervisor = "process"' in caught.value.hint


CGROUPS = """4:memory:/system.slice/graped.service
1:name=systemd:/system.slice/graped.service
0::/system.slice/graped.service
"""


@pytest.mark.parametrize(("mode", "fine"), [("control-group", False), ("mixed", False), ("process", True)])
def test_processes_that_would_end_with_our_own_unit_are_told(tmp_path: Path, mode: str, fine: bool) -> None:
    class Asked:
        def run(self, argv: tuple[str, ...], **_: object) -> Output:
            assert argv == ("systemctl", "show", "--property=KillMode", "--value", "graped.service")
            return Output(code=0, stdout=f"{mode}\n")

    (tmp_path / "cgroup").write_text(CGROUPS)
    if fine:
        own_unit.check(Asked(), tmp_path / "cgroup")
    else:
        with pytest.raises(ServerError, match=f"graped.service with KillMode={mode}") as caught:
            own_unit.check(Asked(), tmp_path / "cgroup")
        assert caught.value.hint == 'Set netboot.supervisor = "systemd".'


def test_a_program_of_a_person_is_in_no_service() -> None:
    assert own_unit.of(CGROUPS) == "graped.service"
    assert own_unit.of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n") == ""
    assert own_unit.of("0::/user.slice/user-1000.slice/user@1000.service\n") == ""
    assert own_unit.of("0::/\n") == ""
