"""What a step is: a module with these four names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Want


class Step(Protocol):
    """One subject of the set-up. Both functions are pure, and say what is wanted whether or not it is so already:
    what was made and is not wanted any more is undone by the next ``apply``."""

    NAME: str
    SUMMARY: str

    def packages(self, facts: Facts, options: Options) -> Sequence[str]:
        """Name the packages that this step needs; the step ``packages`` installs them all at once, before."""

    def wants(self, facts: Facts, options: Options) -> Sequence[Want]:
        """Say what is wanted, in the order in which it is made; undone in reverse order.

        A step may also have ``notes(facts, options) -> Sequence[str]``: sentences for the administrator.
        """
