"""Exit codes: part of the interface of every command line, and told by its ``--help``."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
ACCESS_DENIED = 4
TIMED_OUT = 5
CONFLICT = 6
INTERRUPTED = 130

# What the stable codes of errors end with; every other one with FAILED, or as its HTTP status says.
_OF_ERROR = {
    "bad_request": USAGE,
    "no_target": USAGE,
    "bad_nodeset": USAGE,
    "unknown_node": USAGE,
    "not_found": USAGE,
    "too_large": USAGE,
    "bad_config": USAGE,
    "refused": USAGE,
    "usage": USAGE,
    "unreachable": UNREACHABLE,
    "docker_unreachable": UNREACHABLE,
    "access_denied": ACCESS_DENIED,
    "docker_denied": ACCESS_DENIED,
    "timed_out": TIMED_OUT,
    "conflict": CONFLICT,
    "socket_in_use": CONFLICT,
    "shared_relay": CONFLICT,
    "over_budget": CONFLICT,
    "not_simulated": CONFLICT,
    "in_use": CONFLICT,
    "damaged": FAILED,
    "node_on": CONFLICT,
    "node_off": CONFLICT,
    "netboot_off": CONFLICT,
    "no_space": CONFLICT,
    "stopping": CONFLICT,
    "bad_image": FAILED,
    "bad_image_file": USAGE,
    "bad_image_name": USAGE,
    "server": FAILED,
    "not_readable": USAGE,
    "interrupted": INTERRUPTED,
}


def of_error(code: str, http_status: int = 0) -> int:
    """Tell the exit code of an error by its stable code; a code of a newer daemon by its HTTP status."""
    if code in _OF_ERROR:
        return _OF_ERROR[code]
    if http_status == 409:
        return CONFLICT
    return USAGE if 400 <= http_status < 500 else FAILED


def of_outcome(outcome: str) -> int:
    """Tell the exit code of a job that ended."""
    return OK if outcome == "done" else FAILED
