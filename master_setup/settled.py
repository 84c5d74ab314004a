"""What a machine tells once and may tell otherwise for a while: a cable is out, a kernel was just upgraded. Pure."""

from __future__ import annotations

import dataclasses

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import network, nfs


def settled(facts: Facts, options: Options) -> Options:
    """Return the options with uplink and NFS server put down, as they are recorded: so nothing goes that is in use."""
    if not options.interface:
        return options
    uplink, server = network.uplink(facts, options), nfs.server(facts, options)
    return dataclasses.replace(options, uplink=uplink or options.uplink, nfs=server)
