"""Servers kept by systemd: asked for by systemctl, never started by us."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from graped.errors import CommandFailed, ServerError
from graped.netboot.servers import ServerSpec, SystemdServers
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
    """One unit, as systemctl shows it. ``broken``: it does not come up."""

    def __init__(self, state: str = "inactive") -> None:
        self.state, self.pid, self.broken, self.starts, self.reloads = state, 0, False, 0, 0
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
                if self.broken:
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
            case ("status", "--no-pager", "--full", "--lines=3"):
                return 3, STATUS
        raise AssertionError(words)

    def _up(self) -> None:
        self.starts += 1
        self.state, self.pid = "active", 100 + self.starts


def test_an_active_unit_is_left_alone() -> None:
    fake = FakeSystemctl("active")
    assert not SystemdServers(fake).ensure(SPEC)
    assert SystemdServers(fake).running(SPEC) == 101


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating"])
def test_a_dead_unit_is_started(state: str) -> None:
    fake = FakeSystemctl(state)
    assert SystemdServers(fake).running(SPEC) is None
    assert SystemdServers(fake).ensure(SPEC)
    assert SystemdServers(fake).running(SPEC) == 101


def test_a_unit_that_systemd_is_about_to_restart_is_left_to_it() -> None:
    fake = FakeSystemctl("activating")
    assert not SystemdServers(fake).ensure(SPEC)
    assert fake.starts == 0


def test_restart_reload_stop() -> None:
    fake = FakeSystemctl("active")
    servers = SystemdServers(fake)
    assert servers.ensure(SPEC, restart=True)
    assert servers.running(SPEC) == 102
    servers.reload(SPEC)
    assert fake.reloads == 1
    servers.stop(SPEC)
    assert servers.running(SPEC) is None
    with pytest.raises(ServerError, match="cannot reload dnsmasq"):
        servers.reload(SPEC)


def test_a_unit_that_does_not_come_up_is_told_with_its_last_words() -> None:
    fake = FakeSystemctl()
    fake.broken = True
    with pytest.raises(ServerError, match=r"cannot start dnsmasq: .*failed to bind DHCP server socket") as caught:
        SystemdServers(fake).ensure(SPEC)
    assert caught.value.hint == "See: journalctl -u grape-dnsmasq.service"
