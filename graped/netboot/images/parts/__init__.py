"""Programs of Grape that run on the nodes, inside the images."""

from __future__ import annotations

from importlib.resources import files


def part(name: str) -> bytes:
    """The content of one of them."""
    return files(__name__).joinpath(name).read_bytes()
