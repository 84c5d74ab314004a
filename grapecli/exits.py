"""The exit codes of ``grapecli``, as its help and its README list them."""

from __future__ import annotations

from graped.terminal.exits import ACCESS_DENIED as ACCESS_DENIED
from graped.terminal.exits import CONFLICT as CONFLICT
from graped.terminal.exits import FAILED as FAILED
from graped.terminal.exits import INTERRUPTED as INTERRUPTED
from graped.terminal.exits import OK as OK
from graped.terminal.exits import TIMED_OUT as TIMED_OUT
from graped.terminal.exits import UNREACHABLE as UNREACHABLE
from graped.terminal.exits import USAGE as USAGE
from graped.terminal.exits import of_outcome as of_outcome

TABLE = (
    (OK, "done"),
    (FAILED, "failed, or done with errors: some slots failed"),
    (USAGE, "usage, a bad node set or configuration, a confirmation refused or impossible"),
    (UNREACHABLE, "graped cannot be reached"),
    (ACCESS_DENIED, "this user may not talk to graped"),
    (TIMED_OUT, "--timeout ran out, or graped did not answer in time"),
    (CONFLICT, "not possible now: e.g. a shared relay, over the watt budget, an image in use"),
    (INTERRUPTED, "Ctrl-C; an accepted job goes on"),
)
