"""The exit codes of ``grape_docker``, as its help lists them."""

from __future__ import annotations

from graped.terminal.exits import ACCESS_DENIED, CONFLICT, FAILED, INTERRUPTED, OK, TIMED_OUT, UNREACHABLE, USAGE

TABLE = (
    (OK, "done"),
    (FAILED, "failed, or done with errors: some nodes failed"),
    (USAGE, "usage, a bad node set, an unknown node"),
    (UNREACHABLE, "graped or the master's Docker cannot be reached"),
    (ACCESS_DENIED, "this user may not talk to graped or to Docker"),
    (TIMED_OUT, "graped or Docker did not answer in time"),
    (CONFLICT, "not possible now: e.g. the node is up, another daemon runs, a foreign swarm"),
    (INTERRUPTED, "Ctrl-C"),
)
