"""The live view of a waiting command: a line a node, drawn in place. Imports rich, so it is imported late."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grapecli.progress import Place

# How far along a step is, of 100. Boot stages come after the power steps; the numbers only order them.
_SHARE = {
    "queued": 0,
    "guards": 5,
    "soft_off": 10,
    "cut": 15,
    "resting": 20,
    "on": 25,
    "powered": 30,
    "dhcp": 45,
    "tftp": 60,
    "kernel": 75,
    "root": 90,
    "being prepared": 10,
    "waits for its wave": 20,
    "power cycle": 25,
    "health check": 95,
}
_STYLE = {"": "yellow", "good": "green", "bad": "red"}
_SPARE_LINES = 3  # kept free on the screen: the count, and where the cursor stands


class Live:
    """Draws the places of all nodes; those that do not fit on the screen are counted."""

    every_s = 1.0

    def __init__(self, *, color: bool, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, no_color=not color, highlight=False)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=False)
        self._live.start()

    def show(self, places: dict[str, Place]) -> None:
        """Draw every node's place."""
        self._live.update(self._draw(places), refresh=True)

    def close(self) -> None:
        """Leave the last picture on the screen."""
        self._live.stop()

    def _draw(self, places: dict[str, Place]) -> Table:
        """Put nodes that are still on their way or failed first where there is no room for all."""
        room = max(3, self._console.size.height - _SPARE_LINES)
        names = list(places)
        if len(names) > room:
            names = sorted(names, key=lambda name: places[name].end == "good")
        grid = Table.grid(padding=(0, 2))
        grid.add_column()
        grid.add_column()
        grid.add_column(justify="right")
        for name in names[:room]:
            place = places[name]
            grid.add_row(name, _bar(place), Text(place.time, style="dim"), Text(str(place), style=_STYLE[place.end]))
        ended = sum(1 for place in places.values() if place.end)
        hidden = f", {len(names) - room} not shown" if len(names) > room else ""
        grid.add_row(Text(f"{ended} of {len(names)}{hidden}", style="dim"))
        return grid


def _bar(place: Place) -> ProgressBar:
    """Draw how far a node is on its way; one that failed keeps a full red bar."""
    share = 100 if place.end else _SHARE.get(place.step, 0)
    style = _STYLE[place.end]
    return ProgressBar(total=100, completed=share, width=20, complete_style=style, finished_style=style)
