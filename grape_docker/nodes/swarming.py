"""Joining and leaving by the node's own Docker. The token goes over the session, in no argv and no log."""

from __future__ import annotations

import time
from typing import Final

import requests
from docker.errors import APIError, DockerException

from grape_docker.nodes import engine
from grape_docker.nodes.engine import NodeApi
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Engine, Invite

LEAVE_S: Final = 60
SETTLE_S: Final = 15.0
LOOK_S: Final = 0.1
_FAILED: Final = (DockerException, requests.RequestException, OSError)
_CAUSES: Final = (
    (("join token", "does not match fingerprint"), Code.TOKEN),
    (("certificate has expired", "not yet valid"), Code.CLOCK),
    (
        ("connection refused", "no route to host", "deadline exceeded", "i/o timeout", "unreachable",
         "timeout was reached"),
        Code.MANAGER,
    ),
)  # fmt: skip
_HINTS: Final = {
    Code.TOKEN: "the token was rotated while the node joined: the next attempt has the new one",
    Code.CLOCK: "compare the clocks of the master and of the node",
    Code.MANAGER: "can the node reach the master's port 2377? Is docker.advertise the master's address for the nodes?",
}


def join(api: NodeApi, invite: Invite, advertise: str | None) -> Engine:
    """Join as a worker and see that it took; return what the engine says then. Raises: NodeTrouble."""
    api.timeout = int(engine.JOIN_S)
    try:
        api.join_swarm(list(invite.managers), invite.token, advertise_addr=advertise)
    except _FAILED as error:
        raise _trouble(api, words(error)) from error
    found = settled(api)
    if found.swarm_state != "active":
        raise _trouble(api, found.swarm_error or f"its state in the swarm is {found.swarm_state}")
    return found


def leave(api: NodeApi) -> None:
    """Leave whatever swarm it is in, also as its last manager. Raises: NodeTrouble."""
    api.timeout = LEAVE_S
    try:
        api.leave_swarm(force=True)
    except APIError as error:
        if "not part of a swarm" in words(error):
            return
        raise NodeTrouble(Code.LEAVE, f"it cannot leave the swarm: {words(error)}") from error
    except _FAILED as error:
        raise NodeTrouble(Code.LEAVE, f"it cannot leave the swarm: {words(error)}") from error


def settled(api: NodeApi) -> Engine:
    """Wait until the engine is in a swarm, or in none, or has given up. Raises: NodeTrouble."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            found = engine.info(api)
        except engine.NoAnswer as error:
            raise NodeTrouble(Code.NOT_RUNNING, str(error)) from error
        if found.swarm_state != "pending" or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_S)


def code_of(message: str) -> Code:
    """Find what a refusal of Docker is about. Pure. Source: swarmkit's and moby's own messages."""
    low = message.lower()
    return next((code for marks, code in _CAUSES if any(mark in low for mark in marks)), Code.JOIN)


def words(error: BaseException) -> str:
    """Give Docker's own sentence, or the innermost one of a broken connection. Pure."""
    said = error.explanation if isinstance(error, APIError) else None
    return str(said or engine.cause(error)).strip()


def _trouble(api: NodeApi, message: str) -> NodeTrouble:
    """Say why a join failed; what goes on trying in the background is stopped, so that the next one starts clean."""
    code = code_of(message)
    try:
        if engine.info(api).swarm_state != "inactive":
            leave(api)
    except (engine.NoAnswer, NodeTrouble):
        pass  # the first failure is the one to tell
    return NodeTrouble(code, f"it cannot join: {message}", hint=_HINTS.get(code, ""))
