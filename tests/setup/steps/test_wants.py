"""The kinds of wants that these steps bring, on replicas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from graped.errors import GrapeError
from graped.runner import Output
from master_setup import network_undo, reboot
from master_setup.board import FIRMWARE_HOOK
from master_setup.machine import Machine
from master_setup.network_undo import Pending
from master_setup.record import Record
from master_setup.wants import Want
from master_setup.wants.base import Kept, fields_of, kind_of, rebuilt
from master_setup.wants.kernel import BootLines, Sysctl
from master_setup.wants.mirror import Mirror
from master_setup.wants.network import Address, Guard, keep
from master_setup.wants.quiet import Quiet
from master_setup.wants.replaced import Replaced
from master_setup.wants.swarm import Swarm
from master_setup.wants.together import Together
from tests.setup.steps.replica import Answer, Programs, addresses, says, tree

BOOTED = {"/run/systemd/system/": ""}


def make(machine: Machine, want: Want) -> Record:
    record = Record(machine)
    want.make(machine, record.open(want.key, kind_of(want), "step", fields_of(want)))
    assert want.differs(machine) is None
    return record


def undo(machine: Machine, record: Record, want: Want) -> None:
    """Undo as a later run does: from the record alone."""
    entry = json.loads(machine.text("/var/lib/grape/setup/record.json"))["entries"][0]
    rebuilt(entry["kind"], entry["fields"]).undo(machine, record.memory(want.key))


class TestBootLines:
    CONFIG = "/boot/firmware/config.txt"
    WANT = BootLines(path=CONFIG, text="[all]\ngpio=17,27=ip,np")

    def test_a_reboot_is_asked_for_until_it_comes(self, tmp_path: Path) -> None:
        machine = tree(tmp_path, {**BOOTED, self.CONFIG: "arm_64bit=1\n"})
        difference = self.WANT.differs(machine)
        assert difference is not None
        assert "counts after a reboot" in difference.summary
        assert "+gpio=17,27=ip,np" in difference.diff
        record = make(machine, self.WANT)
        assert reboot.reasons(machine) == (f"{self.CONFIG} was changed",)
        machine.path(reboot.NOTE).unlink()  # the machine was started again
        undo(machine, record, self.WANT)
        assert machine.text(self.CONFIG) == "arm_64bit=1\n"
        assert reboot.reasons(machine) == (f"{self.CONFIG} was changed",)

    def test_debians_hook_is_run(self, tmp_path: Path) -> None:
        programs = Programs({"env": says("")})
        machine = tree(tmp_path, BOOTED, programs)
        want = BootLines(path="/etc/default/raspi-firmware-custom", text="[all]", hook=True)
        record = make(machine, want)
        undo(machine, record, want)
        assert not machine.exists(want.path)
        assert programs.calls == [("env", "DEB_MAINT_PARAMS=configure", FIRMWARE_HOOK)] * 2


def test_a_setting_of_the_kernel(tmp_path: Path) -> None:
    path = "/proc/sys/net/ipv4/ip_forward"
    machine = tree(tmp_path, {path: "0\n"})
    want = Sysctl(name="net.ipv4.ip_forward", value="1")
    record = make(machine, want)
    assert machine.text(path) == "1\n"
    undo(machine, record, want)
    assert machine.text(path) == "0\n"


class Units:
    """Units that are enabled, as systemctl tells of them."""

    def __init__(self, *enabled: str) -> None:
        self.enabled = set(enabled)
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, argv: tuple[str, ...]) -> Output:
        self.calls.append(argv)
        match argv[1:]:
            case ("is-enabled", name):
                return Output(
                    code=0 if name in self.enabled else 1, stdout="enabled" if name in self.enabled else "disabled"
                )
            case ("disable", *_, name):
                self.enabled.discard(name)
            case ("enable", *_, name):
                self.enabled.add(name)
        return Output(code=0, stdout="")


def test_a_server_is_stopped_with_being_disabled_and_never_later(tmp_path: Path) -> None:
    units = Units("nfs-server.service")
    machine = tree(tmp_path, BOOTED, Programs({"systemctl": units}))
    want = Quiet(name="nfs-server.service")
    record = make(machine, want)
    assert ("systemctl", "disable", "--now", "nfs-server.service") in units.calls
    want.make(machine, record.memory(want.key))  # a killed run goes on, and graped has started it meanwhile
    assert sum("--now" in call for call in units.calls) == 1
    undo(machine, record, want)
    assert units.enabled == {"nfs-server.service"}


class Docker:
    """An engine and its swarm."""

    def __init__(self, state: str = "inactive false") -> None:
        self.state = state

    def __call__(self, argv: tuple[str, ...]) -> Output:
        if argv[1:3] == ("swarm", "leave"):
            self.state = "inactive false"
        return Output(code=0, stdout=f"{self.state}\n")


class TestSwarm:
    WANT = Swarm()

    def managed(self, tmp_path: Path, docker: Docker, swarm: str) -> tuple[Machine, Record]:
        """Have a machine on which grape_docker has managed a swarm."""
        machine = tree(tmp_path, {"/var/lib/grape/setup/": ""}, Programs({"docker": docker}))
        assert self.WANT.differs(machine) is not None
        record = make(machine, self.WANT)
        status = {"/var/lib/grape-docker/status.json": json.dumps({"swarm_id": swarm})}
        docker.state = f"active true {swarm}"
        return tree(tmp_path, status, Programs({"docker": docker})), record

    def test_ours_is_left(self, tmp_path: Path) -> None:
        docker = Docker()
        machine, record = self.managed(tmp_path, docker, "ours")
        undo(machine, record, self.WANT)
        assert docker.state == "inactive false"
        assert "swarm" not in machine.names("/var/lib/grape/setup")

    def test_one_that_was_there_is_not_left(self, tmp_path: Path) -> None:
        docker = Docker("active true theirs")
        machine, record = self.managed(tmp_path, docker, "theirs")
        undo(machine, record, self.WANT)
        assert docker.state == "active true theirs"

    def test_another_swarm_than_ours_is_not_left(self, tmp_path: Path) -> None:
        docker = Docker()
        machine, record = self.managed(tmp_path, docker, "ours")
        docker.state = "active true theirs"  # somebody has left ours, and made another
        with pytest.raises(Kept, match="a swarm stays"):
            undo(machine, record, self.WANT)
        assert docker.state == "active true theirs"

    @pytest.mark.parametrize("state", ["active false theirs", "locked false"])
    def test_what_cannot_be_is_refused(self, tmp_path: Path, state: str) -> None:
        machine = tree(tmp_path, {}, Programs({"docker": Docker(state)}))
        with pytest.raises(GrapeError, match="swarm") as caught:
            self.WANT.differs(machine)
        assert "docker swarm" in caught.value.hint

    def test_docker_does_not_answer(self, tmp_path: Path) -> None:
        docker = Docker()
        machine, record = self.managed(tmp_path, docker, "ours")
        docker.state = "cannot connect"
        with pytest.raises(Kept):
            undo(machine, record, self.WANT)


class Systemctl:
    """Units that are active; one that is started is."""

    def __init__(self, *units: str) -> None:
        self.units = {*units}
        self.did: list[str] = []

    def __call__(self, argv: tuple[str, ...]) -> Output:
        if argv[1] == "is-active":
            return Output(code=0, stdout="active\n" if argv[2] in self.units else "inactive\n")
        self.did.append(f"{argv[1]} {argv[2]}")
        self.units |= {argv[2]} if argv[1] == "start" else set()
        return Output(code=0, stdout="")


class TestTogether:
    WANT = Together(name="grape_docker.service")

    def test_it_is_started_where_graped_runs_and_only_there(self, tmp_path: Path) -> None:
        systemctl = Systemctl()
        machine = tree(tmp_path, BOOTED, Programs({"systemctl": systemctl}))
        assert self.WANT.differs(machine) is None
        systemctl.units.add("graped.service")
        assert self.WANT.differs(machine) is not None
        make(machine, self.WANT)
        assert systemctl.did == ["start grape_docker.service"]


class TestMirror:
    PATH = "/etc/docker/daemon.json"
    OLD = '{"log-driver": "journald", "registry-mirrors": ["https://other"]}'
    WANT = Mirror(url="https://10.77.0.1:5000")

    def machine(self, tmp_path: Path, files: Mapping[str, str]) -> tuple[Machine, Systemctl]:
        systemctl = Systemctl("docker.service")
        return tree(tmp_path, {**BOOTED, **files}, Programs({"systemctl": systemctl})), systemctl

    def test_a_file_of_our_own_comes_and_goes(self, tmp_path: Path) -> None:
        machine, systemctl = self.machine(tmp_path, {})
        record = make(machine, self.WANT)
        assert json.loads(machine.text(self.PATH)) == {"registry-mirrors": ["https://10.77.0.1:5000"]}
        undo(machine, record, self.WANT)
        assert not machine.exists("/etc/docker")
        assert systemctl.did == ["reload docker.service"] * 2  # containers go on

    def test_what_is_in_it_stays(self, tmp_path: Path) -> None:
        machine, _ = self.machine(tmp_path, {self.PATH: self.OLD})
        difference = self.WANT.differs(machine)
        assert difference is not None
        assert '+    "https://10.77.0.1:5000",' in difference.diff
        record = make(machine, self.WANT)
        assert json.loads(machine.text(self.PATH)) == {
            "log-driver": "journald", "registry-mirrors": ["https://10.77.0.1:5000", "https://other"],
        }  # fmt: skip
        undo(machine, record, self.WANT)
        assert machine.text(self.PATH) == self.OLD

    def test_what_somebody_added_since_stays(self, tmp_path: Path) -> None:
        machine, _ = self.machine(tmp_path, {})
        record = make(machine, self.WANT)
        machine.path(self.PATH).write_text(json.dumps({"debug": True, **json.loads(machine.text(self.PATH))}))
        undo(machine, record, self.WANT)
        assert json.loads(machine.text(self.PATH)) == {"debug": True}

    @pytest.mark.parametrize("text", ["no JSON", "[]", '{"registry-mirrors": "https://other"}'])
    def test_a_file_that_docker_cannot_read_is_not_touched(self, tmp_path: Path, text: str) -> None:
        machine, _ = self.machine(tmp_path, {self.PATH: text})
        with pytest.raises(GrapeError, match=r"daemon\.json"):
            self.WANT.differs(machine)


class TestNetwork:
    GUARD = Guard(interface="eth1", address="10.77.0.1/24", manager="systemd-networkd", parts=True, within_s=120)

    def programs(self, **more: Answer) -> Programs:
        return Programs({"systemctl": says(""), "sh": says(""), **more})

    def test_it_is_armed_before_anything_changes(self, tmp_path: Path) -> None:
        machine = tree(tmp_path, {**BOOTED, "/proc/uptime": "50.7 1"}, self.programs(ip=addresses(eth1=())))
        machine.path("/etc/systemd/system").mkdir(parents=True)
        make(machine, self.GUARD)
        assert network_undo.pending(machine) == Pending(interface="eth1", address="10.77.0.1/24", left_s=120)
        script = machine.text(network_undo.SCRIPT)
        assert "\nrm -f -- /etc/systemd/network/05-grape.network\n" in script
        assert "\nip address del 10.77.0.1/24 dev eth1\n" in script
        machine.path("/proc/uptime").write_text("100.2 1")
        assert network_undo.pending(machine) == Pending(interface="eth1", address="10.77.0.1/24", left_s=70)
        machine.path("/proc/uptime").write_text("20.0 1")  # started again
        assert network_undo.pending(machine) == Pending(interface="eth1", address="10.77.0.1/24", left_s=100)

    def test_a_file_that_was_there_comes_back(self, tmp_path: Path) -> None:
        guard = Guard(interface="eth1", address="10.77.0.1/24", manager="dhcpcd", parts=True, within_s=9)
        programs = self.programs(ip=addresses(eth1=("10.77.0.1/24",)), cp=says(""))
        machine = tree(tmp_path, {**BOOTED, "/etc/dhcpcd.conf": "hostname\n"}, programs)
        machine.path("/etc/systemd/system").mkdir(parents=True)
        make(machine, guard)
        script = machine.text(network_undo.SCRIPT)
        assert f"\ncp -p -- {network_undo.ROOM}/0 /etc/dhcpcd.conf\n" in script
        assert "ip address del" not in script  # it was there before
        assert "ip link set" not in script

    def test_a_network_that_is_as_wanted_is_not_guarded(self, tmp_path: Path) -> None:
        accounts = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\n"}
        machine = tree(tmp_path, {**BOOTED, **accounts}, self.programs(ip=addresses(eth1=("10.77.0.1/24",))))
        assert self.GUARD.differs(machine) is not None  # the file is missing
        for want in self.GUARD._files():
            make(machine, want)
        assert self.GUARD.differs(machine) is None

    def test_what_does_not_work_is_not_kept(self, tmp_path: Path) -> None:
        machine = tree(tmp_path, BOOTED, self.programs(ip=addresses(eth1=("10.9.9.9/24",))))
        with pytest.raises(GrapeError, match=r"eth1 has no address 10\.77\.0\.1/24"):
            keep(machine, Pending(interface="eth1", address="10.77.0.1/24", left_s=5))
        assert Address(interface="eth1", address="10.9.9.9/24", manager="dhcpcd").differs(machine) is None

    def test_the_script_names_only_what_it_was_given(self) -> None:
        """Names with blanks or worse stay one word."""
        text = network_undo.script([("ifdown", "a b;c")], [("/x y", None)], [], [])
        assert "\nifdown 'a b;c'\n" in text
        assert "\nrm -f -- '/x y'\n" in text


class Apt:
    """apt and dpkg with some packages installed; removing one takes those that need it along."""

    def __init__(self, *installed: str, takes: str = "") -> None:
        self.installed = set(installed)
        self.takes = takes

    def dpkg_query(self, argv: tuple[str, ...]) -> Output:
        end = "installed\t1.0" if "Version" in argv[2] else "installed"
        return Output(code=0, stdout="".join(f"{name}\t{end}\n" for name in sorted(self.installed)))

    def apt_get(self, argv: tuple[str, ...]) -> Output:
        going = {argv[-1], *filter(None, [self.takes])} if "remove" in argv else {"chrony"} & self.installed
        if "--simulate" in argv:
            return Output(code=0, stdout="".join(f"Remv {name} [1.0]\n" for name in going))
        self.installed -= going
        if "install" in argv:
            self.installed.add("systemd-timesyncd")
        return Output(code=0, stdout="")

    def programs(self) -> Programs:
        answers = {"dpkg-query": self.dpkg_query, "apt-get": self.apt_get}
        return Programs({**answers, "env": says(""), "dpkg": says("amd64")})


class TestReplaced:
    WANT = Replaced(old="systemd-timesyncd", by="chrony")

    def test_it_goes_and_comes_back(self, tmp_path: Path) -> None:
        apt = Apt("systemd-timesyncd")
        machine = tree(tmp_path, {}, apt.programs())
        record = make(machine, self.WANT)
        assert apt.installed == set()
        apt.installed.add("chrony")
        undo(machine, record, self.WANT)
        assert apt.installed == {"systemd-timesyncd"}

    def test_nothing_else_goes_with_it(self, tmp_path: Path) -> None:
        apt = Apt("systemd-timesyncd", "precious", takes="precious")
        machine = tree(tmp_path, {}, apt.programs())
        with pytest.raises(GrapeError, match="apt would remove precious"):
            make(machine, self.WANT)
        assert apt.installed == {"systemd-timesyncd", "precious"}
