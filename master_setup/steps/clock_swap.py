"""chrony takes the place of Debian's own time client, which only asks and never answers."""

from __future__ import annotations

from collections.abc import Sequence

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import clock
from master_setup.wants import Want
from master_setup.wants.replaced import Replaced

NAME = "clock_swap"
SUMMARY = "a time server in place of a time client"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: the step ``clock`` names chrony."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the client gone, where chrony is wanted."""
    if not options.packages or not clock.packages(facts, options):
        return ()
    return [Replaced(old="systemd-timesyncd", by="chrony")]
