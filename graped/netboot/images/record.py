"""What is known of one image version: the text of its ``image.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from graped.config.net_values import IMAGE_NAME
from graped.errors import BadImage, RequestError

DIGITS: Final = 12  # of the digest, in a reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One immutable version. ``arch`` and ``boot`` are read from the tree when it is sealed."""

    name: str
    digest: str  # of the tree, 64 hex digits
    created: float  # unix seconds
    source: str  # where it came from, for people
    parent: str  # the version it was made of, "" none
    arch: str  # "arm64", "armhf", "amd64"; "" unknown
    boot: str  # path below root/ of what the boot ROM is given by TFTP, "" none
    size_bytes: int  # on the disk
    files: int
    prepared: bool  # fit for netbooting
    note: str

    @property
    def ref(self) -> str:
        """Its name in full, as ``bookworm@3f9c2a4b5d6e``; also the name of its folder."""
        return f"{self.name}@{self.digest[:DIGITS]}"


def check_name(name: str) -> None:
    """Refuse what is no name of an image. Raises: RequestError."""
    if not IMAGE_NAME.fullmatch(name):
        raise RequestError(
            f"{name[:80]!r} is no name for an image",
            hint="Letters, digits, '.', '_' and '-', at most 48, beginning with a letter or digit.",
        )


def to_json(record: ImageRecord) -> str:
    """Write a record down."""
    return json.dumps({"made_by": "Grape", **asdict(record)}, indent=1) + "\n"


def from_json(text: str) -> ImageRecord:
    """Read a record; what a later version of Grape has added is passed over. Raises: BadImage."""
    try:
        values = json.loads(text)
        return ImageRecord(**{name: kind(values[name]) for name, kind in _FIELDS.items()})
    except (ValueError, TypeError, KeyError) as error:
        raise BadImage(f"an image.json is damaged: {error}", hint="Import the image again.") from error


_FIELDS: Final[dict[str, type]] = {
    "name": str,
    "digest": str,
    "created": float,
    "source": str,
    "parent": str,
    "arch": str,
    "boot": str,
    "size_bytes": int,
    "files": int,
    "prepared": bool,
    "note": str,
}
