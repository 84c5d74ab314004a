"""Images: list, show, import, remove, compare, and what makes new versions of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.requests import ClientDisconnect

from graped.api import types
from graped.api.answers import answer
from graped.api.documents import errors
from graped.api.netboot_bodies import NAME_PATTERN, REF_PATTERN, ImageExec, WorkspaceCommit
from graped.api.peer import who
from graped.api.routes.context import BackendOf, ProvisionOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted, whole
from graped.api.uploading import chunks, is_empty, size_bytes
from graped.errors import BadImage, RequestError

router = topic("images")

RESERVED = frozenset({"diff"})  # GET /v1/images/diff is no image

Ref = Annotated[str, Path(pattern=REF_PATTERN, description="`bookworm` is its newest version.")]
Name = Annotated[str, Query(pattern=NAME_PATTERN, description="The name of the image; its digest is added.")]
Source = Annotated[str, Query(max_length=1000, description="Where it comes from, for people.")]
Other = Annotated[str, Query(pattern=REF_PATTERN)]
WorkspaceId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

_RAW = {
    "requestBody": {
        "required": True,
        "description": "A tar or a disk image, plain or packed (xz, gz, bz2, zstd, zip), of any length.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}


@router.get("/v1/images", response_model=list[types.Image], responses=errors(409))
async def images(provision: ProvisionOf) -> Response:
    """List all versions, by name, the newest last."""
    return answer(tuple[types.Image, ...], tuple(provision.images()))


@router.post(
    "/v1/images", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(409, body=True),
    openapi_extra=_RAW,
)  # fmt: skip
async def take(
    request: Request, backend: BackendOf, provision: ProvisionOf, name: Name, source: Source = ""
) -> Response:
    """Import the body. Answered once all of it was taken, or when the job ended before: then it says why."""
    if name in RESERVED:
        raise RequestError(f"no image can be called {name}")
    if is_empty(request):
        raise BadImage("there is nothing in it", hint="the body of the request is the file")
    try:
        chore = await provision.import_image(
            name, source, chunks(request), size_bytes=size_bytes(request), by=who(request.scope)
        )
    except ClientDisconnect:
        raise BadImage("the upload broke off") from None
    return accepted(backend, chore)


@router.get("/v1/images/diff", response_model=list[types.Change], responses=errors(404, 409))
async def diff(request: Request, provision: ProvisionOf, old: Other, new: Other) -> Response:
    """Tell what differs between two versions; takes as long as reading both."""
    return answer(tuple[types.Change, ...], await whole(request, provision.diff_images(old, new)))


@router.get("/v1/images/{ref}", response_model=types.Image, responses=errors(404, 409))
async def image(provision: ProvisionOf, ref: Ref) -> Response:
    """Show one version."""
    return answer(types.Image, provision.image(ref))


@router.delete("/v1/images/{ref}", response_model=types.Image, responses=errors(404, 409))
async def remove(provision: ProvisionOf, ref: Ref) -> Response:
    """Remove one version that no root is built on; the answer is what is gone."""
    return answer(types.Image, await provision.remove_image(ref))


@router.post(
    "/v1/images/{ref}/verify", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409)
)  # fmt: skip
async def verify(request: Request, backend: BackendOf, provision: ProvisionOf, ref: Ref) -> Response:
    """Compare a version with its digest."""
    return accepted(backend, await provision.verify_image(ref, by=who(request.scope)))


@router.post(
    "/v1/images/{ref}/prepare", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409)
)  # fmt: skip
async def prepare(request: Request, backend: BackendOf, provision: ProvisionOf, ref: Ref) -> Response:
    """Make a version that is ready for netbooting."""
    return accepted(backend, await provision.prepare_image(ref, by=who(request.scope)))


@router.post(
    "/v1/images/{ref}/exec", status_code=202, response_model=types.Job,
    responses=ACCEPTED | errors(404, 409, body=True),
)  # fmt: skip
async def execute(
    request: Request, backend: BackendOf, provision: ProvisionOf, ref: Ref, body: ImageExec
) -> Response:  # fmt: skip
    """Run a command inside an image; what it leaves is a new version."""
    chore = await provision.exec_image(ref, body.argv, name=body.name, by=who(request.scope))
    return accepted(backend, chore)


@router.post(
    "/v1/images/{ref}/workspace", status_code=201, response_model=types.Workspace, responses=errors(404, 409)
)  # fmt: skip
async def workspace(request: Request, provision: ProvisionOf, ref: Ref) -> Response:
    """Open a writable tree made from a version; it stays until it is committed or dropped."""
    return answer(types.Workspace, await provision.open_workspace(ref, by=who(request.scope)), status=201)


@router.get("/v1/workspaces", response_model=list[types.Workspace], responses=errors(409))
async def workspaces(provision: ProvisionOf) -> Response:
    """List workspaces that were neither committed nor dropped, the newest last."""
    return answer(tuple[types.Workspace, ...], tuple(await provision.workspaces()))


@router.post(
    "/v1/workspaces/{id}/commit", status_code=202, response_model=types.Job,
    responses=ACCEPTED | errors(404, 409, body=True),
)  # fmt: skip
async def commit(
    request: Request, backend: BackendOf, provision: ProvisionOf, id: WorkspaceId, body: WorkspaceCommit
) -> Response:
    """Make a version of a workspace, which is gone then."""
    return accepted(backend, await provision.commit_workspace(id, body.name, by=who(request.scope)))


@router.delete("/v1/workspaces/{id}", response_model=types.Workspace, responses=errors(404, 409))
async def drop(provision: ProvisionOf, id: WorkspaceId) -> Response:
    """Throw a workspace away; the answer is what is gone."""
    return answer(types.Workspace, await provision.drop_workspace(id))
