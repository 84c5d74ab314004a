"""Whatever was there before: made once, nothing is left to do; undone, it is there again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.errors import GrapeError
from master_setup import record
from master_setup.machine import Machine
from master_setup.wants import Block, Command, File, Folder, Kept, Link, Member, Unit, Want
from master_setup.wants.base import fields_of, kind_of, rebuilt
from tests.setup.fake_debian import FakeDebian, debian, machine, tree

PATHS = ("/etc/a", "/etc/d/b", "/etc/d/e/c", "/opt/x/y")
TEXTS = st.text(alphabet="ab# \n\r\té", max_size=20)
BYTES = st.one_of(TEXTS.map(str.encode), st.binary(max_size=20))
MODES = st.sampled_from([0o600, 0o644, 0o755, 0o4755])
WANTS = st.one_of(
    st.builds(File, path=st.sampled_from(PATHS), content=st.one_of(TEXTS, BYTES), mode=MODES, keep=st.booleans()),
    st.builds(Block, path=st.sampled_from(PATHS), text=TEXTS, name=st.sampled_from(["", "two"])),
    st.builds(Link, path=st.sampled_from(PATHS), target=st.sampled_from(["/etc/passwd", "nowhere"])),
    st.builds(Folder, path=st.sampled_from(("/etc/d", "/opt/x", "/srv/z")), mode=st.sampled_from([0o755, 0o700])),
    st.builds(Member, user=st.sampled_from(["root", "ann"]), group=st.just("ann")),
)
# What is there before: a path with bytes and mode, a link, or nothing.
THERE = st.one_of(st.none(), st.tuples(BYTES, MODES), st.just("nowhere"))


@contextmanager
def replica(there: dict[str, object]) -> Iterator[FakeDebian]:
    room = Path(tempfile.mkdtemp())
    try:
        fake = debian(room / "root")
        for name, what in there.items():
            if what is None:
                continue
            fake.path(name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, str):
                fake.path(name).symlink_to(what)
            else:
                assert isinstance(what, tuple)
                fake.path(name).write_bytes(what[0])
                fake.path(name).chmod(what[1])
        yield fake
    finally:
        shutil.rmtree(room)


def make(there: Machine, want: Want) -> None:
    want.make(there, record.load(there).open(want.key, kind_of(want), "step", fields_of(want)))


def undo_all(there: Machine) -> list[str]:
    found, kept = record.load(there), []
    for entry in reversed(list(found.entries.values())):
        try:
            rebuilt(entry.kind, entry.fields).undo(there, found.memory(entry.key))
        except Kept as word:
            kept.append(str(word))
        found.forget(entry.key)
    shutil.rmtree(there.path("/var/lib/grape"), ignore_errors=True)
    return kept


@given(
    wants=st.lists(WANTS, unique_by=lambda want: getattr(want, "path", want.key)),
    there=st.fixed_dictionaries(dict.fromkeys(PATHS, THERE)),
)
@settings(max_examples=40, deadline=None)
def test_made_then_undone(wants: list[Want], there: dict[str, object]) -> None:
    with replica(there) as fake:
        before = tree(fake.root, times=True)
        made = []
        for want in wants:
            try:
                if want.differs(machine(fake)) is not None:
                    make(machine(fake), want)
                    made.append(want)
            except GrapeError:
                assert fake.path(want.path).is_symlink()  # a block in a link is refused
        for want in made:
            assert want.differs(machine(fake)) is None, want
        assert undo_all(machine(fake)) == []
        assert tree(fake.root, times=True) == before


@given(old=BYTES, text=TEXTS, edit=TEXTS)
@settings(max_examples=40, deadline=None)
def test_a_block_goes_and_the_edits_of_others_stay(old: bytes, text: str, edit: str) -> None:
    with replica({"/etc/a": (old, 0o640)}) as fake:
        want = Block(path="/etc/a", text=text)
        make(machine(fake), want)
        path = fake.path("/etc/a")
        path.write_bytes(edit.encode() + b"\n" + path.read_bytes() + b"at the end\n")
        undo_all(machine(fake))
        left = path.read_bytes()
        assert left.startswith(edit.encode() + b"\n" + old)
        assert left.endswith(b"at the end\n")
        assert b"grape-setup" not in left.replace(old, b"")
        assert path.stat().st_mode & 0o777 == 0o640


def test_two_blocks_of_one_file(fake: FakeDebian) -> None:
    path = fake.path("/etc/config.txt")
    path.write_text("[pi4]\narm_boost=1")  # without an end of line
    before = tree(fake.root, times=True)
    one, two = (Block(path="/etc/config.txt", text=f"[all]\n{name}=1", name=name) for name in ("one", "two"))
    for want in (one, two, one):
        make(machine(fake), want)
        assert want.differs(machine(fake)) is None
    assert one.differs(machine(fake)) is None
    assert path.read_text().count("[all]") == 2
    assert undo_all(machine(fake)) == []
    assert tree(fake.root, times=True) == before


def test_a_folder_in_place_of_a_file_is_refused_with_its_hint(fake: FakeDebian) -> None:
    fake.path("/etc/a").mkdir()
    for want in (File(path="/etc/a", content="x"), Link(path="/etc/a", target="b")):
        with pytest.raises(GrapeError, match="is a folder"):
            want.differs(machine(fake))


def test_a_secret_is_not_shown(fake: FakeDebian) -> None:
    difference = File(path="/etc/key", content="secret", mode=0o600).differs(machine(fake))
    assert difference is not None
    assert "secret" not in difference.summary + difference.diff


def test_a_folder_of_ours_with_files_of_others_stays_and_says_so(fake: FakeDebian) -> None:
    make(machine(fake), Folder(path="/etc/grape"))
    fake.path("/etc/grape/mine").write_text("x")
    (word,) = undo_all(machine(fake))
    assert "/etc/grape is not empty: mine" in word


def test_what_a_killed_write_leaves_is_taken_away(fake: FakeDebian) -> None:
    before = tree(fake.root)
    want = File(path="/etc/a", content="x")
    found = record.load(machine(fake)).open(want.key, "file", "step", fields_of(want))
    found.remember({"kind": "none", "folders": []})
    fake.path("/etc/.a.grape-setup").write_text("half")
    assert undo_all(machine(fake)) == []
    assert tree(fake.root) == before


def test_a_unit_that_ran_runs_again(fake: FakeDebian) -> None:
    fake.path("/etc/systemd/system/dnsmasq.service").write_text("[Install]\nWantedBy=multi-user.target\n")
    for verb in ("enable", "start"):
        fake.do_systemctl(verb, "dnsmasq.service")
    before, active = tree(fake.root), fake._state("active", [])
    want = Unit(name="dnsmasq.service", enabled=False, running=False)
    make(machine(fake), want)
    assert want.differs(machine(fake)) is None
    assert fake._state("active", []) == []
    undo_all(machine(fake))
    assert (tree(fake.root), fake._state("active", [])) == (before, active)


def test_a_unit_that_an_administrator_has_started_ends_with_what_enabled_it(fake: FakeDebian) -> None:
    fake.path("/etc/systemd/system/x.service").write_text("[Install]\nWantedBy=multi-user.target\n")
    make(machine(fake), Unit(name="x.service", enabled=True))
    fake.do_systemctl("start", "x.service")
    undo_all(machine(fake))
    assert fake._state("active", []) == []
    assert not os.path.lexists(fake.path("/etc/systemd/system/multi-user.target.wants"))


def test_a_command_is_done_where_its_check_fails(fake: FakeDebian) -> None:
    want = Command(name="make group g", check=("getent", "group", "g"), do=("groupadd", "g"), revert=("groupdel", "g"))
    before = tree(fake.root)
    make(machine(fake), want)
    assert want.differs(machine(fake)) is None
    undo_all(machine(fake))
    assert tree(fake.root) == before
