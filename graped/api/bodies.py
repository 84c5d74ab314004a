"""Request bodies with their limits: the contract's request types, checked strictly."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from graped.api import types
from graped.api.nodesets import PATTERN


def _whole(value: object) -> object:
    """Take 64.0 for 64: JSON knows one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

NodeName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Expression = Annotated[str, Field(json_schema_extra={"pattern": PATTERN}, examples=["worker-0-[0-3]", "@stack:0"])]
Small = Annotated[int, Ge(0), Le(255), BeforeValidator(_whole)]


MAX_ID = 2**53 - 1
NOTE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"  # it stands in lines on terminals

Nodes = Expression | Annotated[list[NodeName], Field(min_length=1)]


class PowerRequest(BaseModel):
    """Ask for power: ``nodes`` is a node set expression, or the names that a plan expanded."""

    model_config = _STRICT

    nodes: Nodes
    verb: types.VerbWord
    force: bool = False
    off_s: Annotated[float, Field(ge=0, le=3600)] | None = None


class NodesRole(BaseModel):
    """Set what nodes are in the Docker swarm; "" goes back to what the configuration files say."""

    model_config = _STRICT

    nodes: Nodes
    role: types.RoleWord | Literal[""]


ClientName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$"), Field(examples=["grape_docker"])
]


# 32 bytes behind the words that say so. Source: RFC 8709, 4
PUBLIC_KEY = r"^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(?: [!-~][ -~]{0,199})?$"


class KeySet(BaseModel):
    """Give the public key of a program that logs in on nodes: an ed25519 key in OpenSSH's words, without options."""

    model_config = _STRICT

    name: ClientName
    public_key: Annotated[
        str,
        StringConstraints(pattern=PUBLIC_KEY),
        Field(examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd name"]),
    ]


class KeyInstall(BaseModel):
    """Have running nodes accept a key."""

    model_config = _STRICT

    nodes: Nodes


class GuardRegistration(BaseModel):
    """Ask to be asked before these nodes lose power, for so long; no nodes is a guard of none."""

    model_config = _STRICT

    name: ClientName
    nodes: Literal[""] | Expression | list[NodeName]
    lease_s: Annotated[float, Field(ge=1, le=300)]


class GuardWord(BaseModel):
    """What a guard says about a node that it holds for a job."""

    model_config = _STRICT

    node: NodeName
    job: Annotated[int, Ge(0), Le(MAX_ID), BeforeValidator(_whole)]
    note: Annotated[str, StringConstraints(max_length=200, pattern=NOTE_PATTERN)] = ""


User = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"), Field(examples=["pi"])]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
Secret = Annotated[SecretStr, Field(max_length=1000)]


class TrustLook(BaseModel):
    """Ask which host keys nodes show; ``user`` is who would log in."""

    model_config = _STRICT

    nodes: Nodes
    user: User = "root"


class TrustedNode(BaseModel):
    """A node, and the fingerprint of the host key that somebody vouches for."""

    model_config = _STRICT

    name: NodeName
    fingerprint: Fingerprint


class Trust(BaseModel):
    """Pin host keys. ``password`` is used where the cluster's key is not let in yet, and kept nowhere."""

    model_config = _STRICT

    nodes: Annotated[list[TrustedNode], Field(min_length=1, max_length=96)]
    user: User = "root"
    password: Secret | None = None


class SimFault(BaseModel):
    """A fault for the simulated rack, which gives it an id; what is left out fits everything."""

    model_config = _STRICT

    kind: Literal["nack", "timeout", "flip", "stuck", "hang", "missing", "brownout"]
    bus: Annotated[int, Ge(0), Le(1), BeforeValidator(_whole)] | None = None
    address: Annotated[int, Ge(0), Le(127), BeforeValidator(_whole)] | None = None
    stack: Small | None = None
    op: (
        Literal[
            "send_byte", "receive_byte", "write_byte_data", "read_byte_data",
            "write_word_data", "read_word_data", "quick",
        ]
        | None
    ) = None  # fmt: skip
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    count: Annotated[int, Ge(1), Le(1_000_000), BeforeValidator(_whole)] | None = None
    for_s: Annotated[float, Field(gt=0, le=86400)] | None = None
    bit: Annotated[int, Ge(0), Le(15), BeforeValidator(_whole)] | None = None
    level: Annotated[int, Ge(0), Le(1), BeforeValidator(_whole)] | None = None


class SimKnob(BaseModel):
    """Turn the simulated encoder (steps, clockwise is positive; eight take a second), then perhaps press it."""

    model_config = _STRICT

    turn: Annotated[int, Ge(-40), Le(40), BeforeValidator(_whole)] = 0
    press: bool = False
