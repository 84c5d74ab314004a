"""Request bodies about images and roots, with their limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from graped.api import types
from graped.api.bodies import Nodes

_STRICT = ConfigDict(extra="forbid", strict=True)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$"
REF_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}(?:@[0-9a-f]{4,64})?$"

ImageName = Annotated[str, StringConstraints(pattern=NAME_PATTERN), Field(examples=["bookworm"])]
ImageRef = Annotated[str, StringConstraints(pattern=REF_PATTERN), Field(examples=["bookworm", "bookworm@3f9c2a4b5d6e"])]
Label = Annotated[str, StringConstraints(pattern=NAME_PATTERN), Field(examples=["before-upgrade"])]
Word = Annotated[str, StringConstraints(max_length=32_768, pattern=r"^[^\x00]*$")]


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


_LEFT_OUT: Any = Field(default=None, json_schema_extra=_no_default)  # null is not a way to say it


class NodesSet(BaseModel):
    """Set something for nodes; what is left out stays, "" goes back to what the configuration files say."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 2})

    nodes: Nodes
    image: ImageRef | Literal[""] = _LEFT_OUT
    strategy: types.WantedStrategyWord | Literal[""] = _LEFT_OUT
    model: types.ModelWord | Literal[""] = _LEFT_OUT
    boot: types.BootWord | Literal[""] = _LEFT_OUT

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set - {"nodes"}:
            raise ValueError("nothing to set: name image, strategy, model or boot")
        return self


class NodesReset(BaseModel):
    """Give nodes fresh roots of their image; the old ones are kept."""

    model_config = _STRICT

    nodes: Nodes


class NodesSnapshot(BaseModel):
    """Keep the roots of nodes as they are now."""

    model_config = _STRICT

    nodes: Nodes
    label: Label


class NodesRollback(BaseModel):
    """Bring back a kept root: the one of a label, else the newest."""

    model_config = _STRICT

    nodes: Nodes
    label: Label | None = None


class NodesDrop(BaseModel):
    """Give up a kept root."""

    model_config = _STRICT

    nodes: Nodes
    label: Label


class NodeCommit(BaseModel):
    """Make an image version of a node's root."""

    model_config = _STRICT

    name: ImageName


class WorkspaceCommit(BaseModel):
    """Make an image version of a workspace; without a name one of the image it came from."""

    model_config = _STRICT

    name: ImageName | None = None


class ImageExec(BaseModel):
    """Run a command inside an image; what it leaves is a new version, of ``name`` where given."""

    model_config = _STRICT

    argv: Annotated[list[Word], Field(min_length=1, examples=[["apt-get", "install", "-y", "vim"]])]
    name: ImageName | None = None
