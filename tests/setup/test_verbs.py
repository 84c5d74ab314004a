"""Plan, apply, check and revert on a replica: nothing is done twice, and all of it is undone."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from master_setup import record
from master_setup.applying import StepFailed
from master_setup.facts import Facts
from master_setup.losses import losses
from master_setup.machine import Machine
from master_setup.options import Options
from master_setup.program import Program
from tests.setup.doing import FACTS, OPTIONS, apply, plan, revert
from tests.setup.fake_debian import FakeDebian, machine, tree


def test_plan_changes_nothing_and_shows_contents(fake: FakeDebian) -> None:
    before = tree(fake.root, times=True)
    changes = plan(fake)
    assert tree(fake.root, times=True) == before
    assert [change.step for change in changes] == sorted(
        (change.step for change in changes), key=["packages", "accounts", "program", "config", "units", "shell"].index
    )
    config = next(change for change in changes if change.key == "file /etc/grape/config.d/10-setup.toml")
    assert '+interface = "eth1"' in config.difference.diff


def test_apply_then_nothing_is_left_to_do(fake: FakeDebian) -> None:
    done = apply(fake)
    assert done.changes > 10
    assert plan(fake) == []
    after = tree(fake.root, times=True)
    fake.calls.clear()
    assert apply(fake).changes == 0
    assert tree(fake.root, times=True) == after
    verbs = {(call[0], call[1]) for call in fake.calls if len(call) > 1}
    assert verbs <= {
        ("dpkg-query", "--show"),
        ("systemctl", "is-enabled"),
        ("systemctl", "is-active"),
        ("systemctl", "show"),
        ("/opt/grape/venv/bin/grapecli", "completion"),
        ("/opt/grape/venv/bin/grape_docker", "completion"),
    }


def test_what_was_made(fake: FakeDebian) -> None:
    apply(fake)
    assert "grape:x:" in fake.path("/etc/group").read_text()
    assert os.readlink(fake.path("/opt/grape/venv")) == "venvs/1.0-abc"
    assert fake.path("/opt/grape/venv/bin/graped").exists()
    assert fake.path("/usr/local/bin/grapecli").is_symlink()
    assert fake.path("/etc/systemd/system/multi-user.target.wants/graped.service").is_symlink()
    assert "graped.service" not in fake._state("active", [])  # enabled, and started by whoever wants it
    assert fake.path("/usr/share/bash-completion/completions/grapecli").read_text() == "complete bash\n"


def test_revert_leaves_the_machine_as_it_was(fake: FakeDebian) -> None:
    before = tree(fake.root, times=True)
    apply(fake)
    fake.do_systemctl("start", "graped.service")
    fake.path("/var/lib/rpcbind/later").write_text("by its service")
    done = revert(fake)
    assert done.kept == ()
    assert tree(fake.root, times=True) == before
    assert fake._state("packages", {}) == {}
    assert fake._state("active", []) == []


def test_state_stays_unless_purged(fake: FakeDebian) -> None:
    before = tree(fake.root)
    for purge in (False, True):
        apply(fake)
        fake.path("/var/lib/grape/grape.db").write_text("history")
        fake.path("/etc/grape/config.toml").write_text("# mine\n")
        revert(fake, purge=purge)
        assert fake.path("/var/lib/grape/grape.db").exists() is not purge
        assert fake.path("/etc/grape/config.toml").exists() is not purge
    assert tree(fake.root) == before


def test_the_configuration_of_an_administrator_is_kept(fake: FakeDebian) -> None:
    config = fake.path("/etc/grape/config.toml")
    config.parent.mkdir()
    config.write_text("# mine\n")
    config.chmod(0o600)
    before = tree(fake.root, times=True)
    apply(fake)
    assert config.read_text() == "# mine\n"
    revert(fake)
    assert tree(fake.root, times=True) == before


def test_what_was_changed_after_us_is_kept_and_said(fake: FakeDebian) -> None:
    unit = fake.path("/etc/systemd/system/graped.service")
    unit.write_text("[Install]\nWantedBy=multi-user.target\n")  # somebody's own, before us
    apply(fake)
    ours = unit.read_bytes()
    unit.write_text("# by hand\n")
    done = revert(fake)
    assert unit.read_text() == "# by hand\n"
    (word,) = [line for line in done.kept if "graped.service" in line]
    backup = fake.path(word.split(": ")[-1])
    assert os.listdir(fake.path("/var/lib/grape/setup")) == ["backups"]
    assert os.listdir(backup.parent) == [backup.name]
    assert backup.read_text() == "[Install]\nWantedBy=multi-user.target\n" != ours.decode()


def test_packages_that_somebody_needs_since_stay(fake: FakeDebian) -> None:
    apply(fake)
    fake._save("packages", {**fake._state("packages", {}), "quota": "installed"})  # type: ignore[dict-item]
    from tests.setup import fake_debian

    fake_debian.DEPENDS["quota"] = ["rpcbind"]
    try:
        revert(fake)
    finally:
        del fake_debian.DEPENDS["quota"]
    assert set(fake._state("packages", {})) == {"quota", "rpcbind", "libwrap0", "libtirpc3"}  # type: ignore[call-overload]
    assert "_rpc:" in fake.path("/etc/passwd").read_text()


def test_packages_that_were_there_stay(fake: FakeDebian) -> None:
    fake.install(["rpcbind", "python3"])
    before, packages = tree(fake.root, times=True), fake._state("packages", {})
    apply(fake)
    revert(fake)
    assert tree(fake.root, times=True) == before
    assert fake._state("packages", {}) == packages


def test_a_failed_step_says_what_and_the_next_apply_goes_on(fake: FakeDebian) -> None:
    before = tree(fake.root, times=True)
    fake.broken["python"] = "no matching distribution"
    with pytest.raises(StepFailed, match=r"step program, venv: .*no matching distribution") as caught:
        apply(fake)
    assert "wheelhouse" in caught.value.hint
    assert "goes on from here" in caught.value.hint
    assert "grape:x:" in fake.path("/etc/group").read_text()
    fake.broken.clear()
    apply(fake)
    assert plan(fake) == []
    revert(fake)
    assert tree(fake.root, times=True) == before


def test_what_is_not_wanted_any_more_is_undone(fake: FakeDebian) -> None:
    apply(fake)
    without = Options(users=("ann",))
    assert [change.difference.summary for change in plan(fake, without)] == [
        "undo file /etc/grape/config.d/10-setup.toml"
    ]
    apply(fake, without)
    assert not fake.path("/etc/grape/config.d/10-setup.toml").exists()
    assert plan(fake, without) == []


def test_a_new_version_exchanges_the_link_and_keeps_the_one_before(fake: FakeDebian) -> None:
    before = tree(fake.root, times=True)
    for name in ("1.0-abc", "1.1-def", "1.2-012"):
        facts = Facts(program=Program(name=name, wheel="/srv/wheels/grape.whl", wheelhouse="/srv/wheels"))
        apply(fake, OPTIONS, facts)
        assert os.readlink(fake.path("/opt/grape/venv")) == f"venvs/{name}"
        assert plan(fake, OPTIONS, facts) == []
    assert sorted(os.listdir(fake.path("/opt/grape/venvs"))) == ["1.1-def", "1.2-012"]
    revert(fake)
    assert tree(fake.root, times=True) == before


def test_packaged_leaves_usr_and_packages_to_dpkg(fake: FakeDebian) -> None:
    before = {path for path in tree(fake.root) if path.startswith("/usr")}
    fake.path("/etc/systemd/system/graped.service").write_text("[Install]\nWantedBy=multi-user.target\n")
    apply(fake, Options(packages=False, packaged=True), FACTS)
    assert {path for path in tree(fake.root) if path.startswith("/usr")} == before
    assert fake._state("packages", {}) == {}


def test_revert_without_a_step_leaves_it(fake: FakeDebian) -> None:
    apply(fake)
    revert(fake, without=("config", "accounts"))
    assert fake.path("/etc/grape/config.toml").exists()
    assert "grape:x:" in fake.path("/etc/group").read_text()
    assert not fake.path("/opt/grape").exists()


def test_what_other_packages_write_meanwhile_stays(fake: FakeDebian) -> None:
    fake.path("/var/lib/dpkg/info/cron.list").write_text("/.\n/var\n/var/lib\n/var/lib/cron\n")
    fake.path("/var/lib/cron").mkdir()
    install = fake.install

    def slowly(names: Iterable[str]) -> None:
        fake.path("/var/lib/cron/stamp").write_text("written while packages were installed")
        install(names)

    fake.install = slowly  # type: ignore[method-assign]
    apply(fake)
    revert(fake)
    assert fake.path("/var/lib/cron/stamp").exists()
    assert not fake.path("/var/lib/rpcbind").exists()


def test_what_a_revert_would_destroy_is_said_before(fake: FakeDebian) -> None:
    there = machine(fake)
    apply(fake)
    assert losses(there, record.load(there), purge=False, packages=True) == []
    fake.path("/proc/net").mkdir(parents=True)
    node = "   0: 0100007F:0801 0A4D000A:02BC 01 00000000:00000000 00:00000000 00000000     0\n"
    fake.path("/proc/net/tcp").write_text("  sl  local_address rem_address   st\n" + node)
    (word,) = losses(there, record.load(there), purge=False, packages=True)
    assert "Nodes run from this machine" in word
    fake.path("/proc/net/tcp").write_text(node.replace(" 01 ", " 0A "))
    (word,) = losses(there, record.load(there), purge=True, packages=True)
    assert "/var/lib/grape" in word


def test_docker_goes_with_what_is_in_it_and_says_so(fake: FakeDebian) -> None:
    there = machine(fake)
    apply(fake)
    entry = record.load(there).memory("packages")
    entry.finish({**entry.made, "packages": [*entry.made["packages"], "docker.io"]})
    fake.path("/var/lib/docker/volumes").mkdir(parents=True)
    fake.path("/var/lib/docker/volumes/metadata.db").write_text("")
    assert losses(there, record.load(there), purge=False, packages=True) == []
    fake.path("/var/lib/docker/volumes/photos").mkdir()
    (word,) = losses(there, record.load(there), purge=False, packages=True)
    assert "/var/lib/docker" in word
    assert losses(there, record.load(there), purge=False, packages=False) == []


def test_a_swarm_that_came_with_us_ends_and_that_is_said(fake: FakeDebian) -> None:
    there = machine(fake)
    apply(fake)
    memory = record.load(there).open("swarm", "swarm", "swarm", {"address": ""})
    memory.remember({"cluster": ""})
    memory.finish({})
    assert losses(there, record.load(there), purge=False, packages=True) == []
    fake.path("/var/lib/grape-docker").mkdir()
    fake.path("/var/lib/grape-docker/status.json").write_text("{}")
    assert "The swarm ends" in losses(there, record.load(there), purge=False, packages=True)[0]
    assert "/var/lib/grape-docker" in " ".join(losses(there, record.load(there), purge=True, packages=True))


def test_another_apt_is_waited_for(fake: FakeDebian) -> None:
    told: list[str] = []
    pauses: list[float] = []
    fake.busy = 3
    apply(fake, there=Machine(root=fake.root, runner=fake, say=told.append, pause=pauses.append))
    assert len(pauses) == 3
    assert "another apt or dpkg is at work: waiting for its end" in told
