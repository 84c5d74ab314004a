"""What people are told of dnsmasq's log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graped.clock import SystemClock
from graped.config.types import Cluster, Config, Device, Stack
from graped.core.events import Event
from graped.core.state import State
from graped.model import SlotId
from graped.netboot.dhcp.log import Reader
from graped.provision.sightings import Denied
from graped.provision.watch import Watch


class Book:
    """A journal on paper."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str | None]] = []

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object:
        self.lines.append((kind, message, node))
        return None


def watch_of(book: Book, folder: Path) -> tuple[Watch, list[Event]]:
    config = Config(cluster=Cluster(stacks={0: Stack(devices={0: Device(mac="b8:27:eb:00:00:01")})}))
    posted: list[Event] = []
    watch = Watch(
        lambda: State(config=config, slots={}), posted.append, book, SystemClock(), dict
    )  # fmt: skip
    return watch, posted


def test_a_file_that_dnsmasq_may_not_read_is_an_event_with_what_helps(tmp_path: Path) -> None:
    book = Book()
    watch, posted = watch_of(book, tmp_path)
    line = "Nov 26 12:00:00 dnsmasq-tftp[42]: cannot access /srv/tftp/x/kernel8.img: Permission denied\n"
    for _ in range(3):
        watch._take(Reader(), line)
    ((kind, message, node),) = book.lines
    assert (kind, node, posted) == ("tftp.denied", None, [])
    assert message.startswith("dnsmasq may not read /srv/tftp/x/kernel8.img: Permission denied; ")
    assert "chmod a+r" in message


def test_it_is_told_of_the_node_that_asked(tmp_path: Path) -> None:
    book = Book()
    watch, _ = watch_of(book, tmp_path)
    watch._deny(Denied(path="/x", why="Permission denied", slot=SlotId(0, 0)))
    assert book.lines[0][2] == "worker-0-0"
