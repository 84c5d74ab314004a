"""``make man``: write the pages anew."""

from __future__ import annotations

from graped.files import write_atomic
from master_setup.lockfile import FOLDER
from master_setup.man.pages import render

PLACE = FOLDER / "files" / "man"


def main() -> None:
    """Write each page that has changed."""
    PLACE.mkdir(exist_ok=True)
    for name, text in render().items():
        write_atomic(PLACE / name, text)


if __name__ == "__main__":
    main()
