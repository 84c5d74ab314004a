"""Brings votes from the store to the database. A vote is lost by no end of it: it is taken again by the next worker."""

from __future__ import annotations

import time
from http.client import HTTPException
from urllib.request import Request, urlopen

from .serving import end_at_term
from .store import Store

DATABASE = "http://db/votes"
PAUSE_S = 1.0


def work() -> None:
    """Bring votes until something breaks."""
    with Store() as store:
        store.take_up()
        while True:
            vote = store.take(wait_s=5)
            if vote is not None:
                with urlopen(Request(DATABASE, data=vote.encode(), method="POST"), timeout=5):
                    store.done(vote)


def main() -> None:
    """Begin again whenever the store or the database went away."""
    end_at_term()
    while True:
        try:
            work()
        except (OSError, HTTPException) as error:
            print(f"begins again in {PAUSE_S:g} s: {error}", flush=True)
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
