"""Exit codes: part of the interface, the same as those of grapecli, and listed in ``grape_docker --help``."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
ACCESS_DENIED = 4
TIMED_OUT = 5
CONFLICT = 6
INTERRUPTED = 130

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

_USAGE = ("bad_request", "no_target", "bad_nodeset", "unknown_node", "not_found", "refused", "usage")
_USAGE_OF_IMAGES = ("bad_image_name", "bad_image_file")
_OF_SWARM = ("foreign_swarm", "not_manager", "swarm_locked", "address_missing")
_OF_ERROR = {
    **dict.fromkeys(_USAGE + _USAGE_OF_IMAGES, USAGE),
    **dict.fromkeys(_OF_SWARM, CONFLICT),
    "unreachable": UNREACHABLE,
    "docker_unreachable": UNREACHABLE,
    "access_denied": ACCESS_DENIED,
    "docker_denied": ACCESS_DENIED,
    "timed_out": TIMED_OUT,
    "socket_in_use": CONFLICT,
    "interrupted": INTERRUPTED,
}


def of_error(code: str, http_status: int = 0) -> int:
    """Tell the exit code of an error by its stable code; of a code that is not known here by its HTTP status."""
    if code in _OF_ERROR:
        return _OF_ERROR[code]
    if http_status == 409:
        return CONFLICT
    return USAGE if 400 <= http_status < 500 else FAILED
