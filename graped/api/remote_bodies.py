"""Request bodies about commands on nodes, with their limits."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from graped.api.bodies import Nodes, _whole

STDIN_BYTES = 32 * 1024  # more goes by a file
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _is_base64(text: str) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("this is no base64") from None
    if len(data) > STDIN_BYTES:
        raise ValueError(f"over {STDIN_BYTES} bytes")
    return text


class Run(BaseModel):
    """Run a line of the login shell on nodes; ``stdin`` is base64. ``timeout_s`` bounds logging in and running."""

    model_config = _STRICT

    nodes: Nodes
    command: Annotated[
        str, StringConstraints(min_length=1, max_length=16_384, pattern=r"^[^\x00]*$"), Field(examples=["uname -r"])
    ]
    stdin: Annotated[
        str,
        StringConstraints(
            max_length=43_692, pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
        ),
        AfterValidator(_is_base64),
    ] = ""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    fanout: Annotated[int, Ge(1), Le(128), BeforeValidator(_whole)] = 32
