"""A server that behaves: it says what it does, counts its reloads, and can be told to die or to be stubborn."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path


def main(mode: str, told: str) -> None:
    sheet = Path(told)

    def tell(word: str) -> None:
        with sheet.open("a", encoding="utf-8") as stream:
            stream.write(word + "\n")

    signal.signal(signal.SIGHUP, lambda number, frame: tell("reloaded"))
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, lambda number, frame: tell("refused"))
    tell("started")
    print("fake: address already in use", flush=True)
    if mode == "dies":
        sys.exit(2)
    while True:
        time.sleep(60)


main(*sys.argv[1:])
