"""Why a node is not in the swarm: one kind of error, with codes that stay."""

from __future__ import annotations

from enum import StrEnum

from graped.errors import GrapeError

_SHOWN_CHARS = 500


class Code(StrEnum):
    """What is the matter with a node. Part of what ``grape_docker status --json`` says: never renamed."""

    HOST_KEY = "host_key_changed"
    UNTRUSTED = "untrusted"
    SSH_REFUSED = "ssh_refused"
    SSH_DENIED = "ssh_denied"
    SSH_TIMEOUT = "ssh_timeout"
    SSH_FAILED = "ssh_failed"
    NOT_ROOT = "not_root"
    NO_DOCKER = "no_docker"  # missing, and it is not to be installed
    INSTALL = "docker_not_installable"
    OLD = "docker_too_old"
    NOT_RUNNING = "docker_not_running"
    STORAGE = "storage_driver"
    CLOCK = "clock_skew"
    DISK = "disk_full"
    REGISTRY = "registry_trust"
    HOSTNAME = "hostname"
    FOREIGN = "foreign_swarm"
    LOCKED = "swarm_locked"
    TOKEN = "token_refused"  # noqa: S105 - a code, no secret
    MANAGER = "manager_unreachable"
    JOIN = "join_failed"
    LEAVE = "leave_failed"
    BROKEN = "node_broken"  # a program over there that should just work did not


class NodeTrouble(Exception):
    """One sentence that says what is wrong with which node, and a ``hint`` that says what helps.

    ``lasting`` means that only a person (or a change of what graped says of the node) can mend it.
    """

    def __init__(self, code: Code, message: str, *, hint: str = "", lasting: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = plain(message)
        self.hint = hint
        self.lasting = lasting


def plain(text: str) -> str:
    """Make one line of what a node said, without what a terminal would obey, and not without end. Pure."""
    words = "".join(char if char.isprintable() else " " for char in text[: 4 * _SHOWN_CHARS]).split()
    return " ".join(words)[:_SHOWN_CHARS]


_LASTING = frozenset({Code.HOST_KEY, Code.UNTRUSTED, Code.SSH_DENIED})
_BY_CODE = {str(code): code for code in Code}


def of_ssh(error: GrapeError, name: str) -> NodeTrouble:
    """Say what went wrong with SSH, or with a command over it, as trouble of the node of this name. Pure."""
    code = _BY_CODE.get(error.code, Code.BROKEN)
    return NodeTrouble(code, error.detail.removeprefix(f"{name}: "), hint=error.hint, lasting=code in _LASTING)
