"""A comparison that overlooks something would make every test that uses it worthless."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.state import KEPT_BYTES, Change, Entry, backups, below, changes, restless, rules_of, take


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "etc/ssl").mkdir(parents=True)
    (top / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (top / "etc/large").write_bytes(bytes(KEPT_BYTES + 1))
    os.link(top / "etc/hosts", top / "etc/hosts.same")
    (top / "etc/link").symlink_to("hosts")
    os.mkfifo(top / "etc/pipe")
    return top


def swap_kind(tree: Path) -> None:
    (tree / "etc/pipe").unlink()
    (tree / "etc/pipe").touch()


def relink(tree: Path) -> None:
    (tree / "etc/link").unlink()
    (tree / "etc/link").symlink_to("large")


def part(tree: Path) -> None:
    (tree / "etc/hosts.same").unlink()
    (tree / "etc/hosts.same").write_text("127.0.0.1 localhost\n")


def one_bit(tree: Path) -> None:
    data = bytearray((tree / "etc/large").read_bytes())
    data[-1] ^= 1
    (tree / "etc/large").write_bytes(data)


CASES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "new file": (lambda tree: (tree / "etc/new").touch(), "/etc/new", "new: a file"),
    "new folder": (lambda tree: (tree / "opt").mkdir(), "/opt", "new: a folder"),
    "gone": (lambda tree: (tree / "etc/ssl").rmdir(), "/etc/ssl", "gone: a folder"),
    "kind": (swap_kind, "/etc/pipe", "kind fifo -> file"),
    "mode": (lambda tree: (tree / "etc/ssl").chmod(0o711), "/etc/ssl", "mode 0755 -> 0711"),
    "setuid": (lambda tree: (tree / "etc/large").chmod(0o4755), "/etc/large", "mode 0644 -> 4755"),
    "target": (relink, "/etc/link", "-hosts"),
    "large": (one_bit, "/etc/large", "other content"),
    "attribute": (lambda tree: os.setxattr(tree / "etc/large", "user.x", b"1"), "/etc/large", "user.x"),
    "no hard link any more": (part, "/etc/hosts.same", "same_as /etc/hosts -> /etc/hosts.same"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_change_is_seen(tree: Path, case: str) -> None:
    change, path, what = CASES[case]
    before = take(tree)
    change(tree)
    (found,) = changes(before, take(tree))
    assert found.path == path
    assert what in found.what


def test_a_changed_text_shows_how(tree: Path) -> None:
    before = take(tree)
    with (tree / "etc/hosts").open("a") as hosts:
        hosts.write("10.77.0.1 master\n")
    first, second = changes(before, take(tree))
    assert (first.path, second.path) == ("/etc/hosts", "/etc/hosts.same")
    assert "+10.77.0.1 master" in str(first)


def test_an_owner_counts_and_times_do_not(tree: Path) -> None:
    before = take(tree)
    os.utime(tree / "etc/hosts", (1, 1))
    assert changes(before, take(tree)) == []
    entry = before["/etc/hosts"]
    assert isinstance(entry, Entry)
    (found,) = changes(before, {**before, "/etc/hosts": replace(entry, owner=(entry.owner[0], 4711))})
    assert found.path == "/etc/hosts"


def test_a_rule_leaves_out_what_it_covers_and_nothing_else(tree: Path) -> None:
    before = take(tree)
    for name in ("ssl/key", "sslx", "hosts-", "other-"):
        (tree / "etc" / name).touch()
    (tree / "etc/ssl").chmod(0o700)
    after = take(tree)
    found = changes(before, after, [below("/etc/ssl", "keys"), backups(before, after)])
    assert [change.path for change in found] == ["/etc/other-", "/etc/ssl", "/etc/sslx"]
    assert changes(before, after, [restless(before, after)]) == []
    assert changes(before, after, [restless(before, before)]) != []


def test_where_things_are_is_asked_of_the_machine() -> None:
    def ask(*argv: str) -> str:
        if argv[0] == "apt-config":
            return "STATE='/a/'\nCACHE='/b/'\nLOG='/c/'\nSTATUS='/lib/dpkg/status'\n"
        if argv[0] == "sh":
            return "[Service]\nStateDirectory=systemd/linger other\nExecStart=/bin/true\n"
        return "/var/lib\n" if argv[1] == "system-state-private" else f"/{argv[1]}\n"

    rules = rules_of(ask)
    for path in (
        "/a/x",
        "/b/x/y",
        "/c/x",
        "/lib/dpkg/info/x.list",
        "/system-state-logs/x",
        "/system-state-cache/x",
        "/var/lib/systemd/linger",
        "/var/lib/other",
    ):
        assert any(rule.covers(path) for rule in rules), path
    assert not any(
        rule.covers(path) for rule in rules for path in ("/lib/x", "/etc/passwd", "/ax", "/a", "/var/lib/other/x")
    )
    assert all(rule.reason for rule in rules)
    assert str(Change(path="/x", what="gone: a file")) == "/x: gone: a file"
