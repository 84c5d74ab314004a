"""SSH: how each node is met, which host keys are trusted, and the keys of programs that log in there."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from graped.api import types
from graped.api.answers import answer
from graped.api.bodies import ClientName, KeyInstall, KeySet, Trust, TrustLook
from graped.api.documents import errors
from graped.api.nodesets import named, targets
from graped.api.params import Flag
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted, whole
from graped.errors import UnknownNode

router = topic("ssh")

NodeName = Annotated[str, Path(min_length=1, max_length=253)]
KeyName = Annotated[ClientName, Path()]


@router.get("/v1/nodes/{name}/ssh", response_model=types.NodeSsh, responses=errors(404, 409))
async def node_ssh(backend: BackendOf, name: NodeName, prove: Flag = False) -> Response:
    """Tell how a node is met by SSH: address, user, and the host keys that it must prove.

    ``prove`` has it prove them now; who cannot be met, or shows another key, is an error then.
    """
    (slot,) = named(backend.state, [name])
    return answer(types.NodeSsh, await backend.access.ssh(slot, prove=prove))


@router.get("/v1/keys", response_model=list[types.ClientKey], responses=errors())
async def keys(backend: BackendOf) -> Response:
    """List the programs that log in on nodes by keys of their own."""
    return answer(tuple[types.ClientKey, ...], await backend.access.client_keys())


@router.post("/v1/keys", response_model=types.ClientKey, responses=errors(body=True))
async def set_key(request: Request, backend: BackendOf, body: KeySet) -> Response:
    """Have every new root accept a public key; a name that is known gets the new key."""
    key = await backend.access.set_client_key(body.name, body.public_key, by=who(request.scope))
    return answer(types.ClientKey, key)


@router.delete("/v1/keys/{name}", response_model=types.ClientKey, responses=errors(404))
async def remove_key(request: Request, backend: BackendOf, name: KeyName) -> Response:
    """Forget a key: new roots do not accept it. Nodes that have it keep it until they get a new root."""
    return answer(types.ClientKey, await backend.access.remove_client_key(name, by=who(request.scope)))


@router.post(
    "/v1/keys/{name}/install",
    status_code=202,
    response_model=types.Job,
    responses=ACCEPTED | errors(404, 409, body=True),
)
async def install_key(request: Request, backend: BackendOf, name: KeyName, body: KeyInstall) -> Response:
    """Have running nodes accept a key: graped logs in with the key of the cluster and adds it where it is missing."""
    try:
        slots = targets(backend.state, body.nodes)
    except UnknownNode as error:  # 404 is for a key that there is none of
        raise UnknownNode(error.detail, hint=error.hint, status=422) from None
    return accepted(backend, await backend.access.install_client_key(name, slots, by=who(request.scope)))


@router.post("/v1/nodes/trust/look", response_model=list[types.HostKey], responses=errors(404, 409, body=True))
async def look(request: Request, backend: BackendOf, body: TrustLook) -> Response:
    """Ask nodes which host keys they show; takes as long as the slowest of them."""
    slots = targets(backend.state, body.nodes)
    return answer(tuple[types.HostKey, ...], await whole(request, backend.access.look(slots, body.user)))


@router.post("/v1/nodes/trust", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, body=True))
async def trust(request: Request, backend: BackendOf, body: Trust) -> Response:
    """Pin the host keys of nodes that boot from their own SD card, and have them let graped in."""
    state = backend.state
    by_name = {node.name: node.fingerprint for node in body.nodes}
    wanted = {slot: by_name[state.config.node_name(slot)] for slot in named(state, by_name)}
    password = None if body.password is None else body.password.get_secret_value()
    chore = backend.access.trust(wanted, user=body.user, password=password, by=who(request.scope))
    return accepted(backend, chore)
