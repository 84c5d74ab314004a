"""Following a log: nothing told twice, nothing lost over a rotation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from graped.netboot.dhcp.tail import Tail


def add(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_what_stood_there_before_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(log, "old\n")
    tail = Tail(log)
    assert tail.lines() == []
    add(log, "new\nanother\n")
    assert tail.lines() == ["new", "another"]
    assert tail.lines() == []


def test_a_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tail = Tail(log)
    assert tail.lines() == []
    add(log, "begin")
    assert tail.lines() == []
    add(log, "ning\nx")
    assert tail.lines() == ["beginning"]


def test_over_a_rotation_the_last_lines_of_the_old_file_come_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(log, "")
    tail = Tail(log)
    add(log, "a\n")
    log.rename(tmp_path / "log.1")
    add(log, "c\n")  # its successor is there already
    assert tail.lines() == ["a"]
    add(tmp_path / "log.1", "b\n")  # the writer has not turned yet
    assert tail.lines() == ["b", "c"]
    add(log, "d\n")
    assert tail.lines() == ["d"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(log, "a long line\n")
    tail = Tail(log)
    log.write_text("b\n")
    assert tail.lines() == ["b"]


def test_a_file_that_is_removed_and_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(log, "a\n")
    tail = Tail(log)
    log.unlink()
    assert tail.lines() == []
    add(log, "b\n")
    assert tail.lines() + tail.lines() == ["b"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["write", "part", "look", "rotate"]), st.integers(0, 99)), max_size=30))
def test_every_line_once_and_in_order_whatever_happens(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        add(log, "")
        tail, written, seen, part = Tail(log), [], [], ""
        for step, number in steps:
            if step == "write":
                add(log, f"{number}\n")
                written.append(part + str(number))
                part = ""
            elif step == "part":
                add(log, f"{number} ")
                part += f"{number} "
            elif step == "rotate" and not part:
                seen += tail.lines() + tail.lines()
                log.rename(log.with_name("log.1"))
                add(log, "")
            else:
                seen += tail.lines()
        seen += tail.lines() + tail.lines()
        tail.close()
        assert seen == written
