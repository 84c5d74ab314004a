"""Settings out of what graped's ``GET /v1/config`` tells. graped has judged them: nothing is parsed twice. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from grape_docker.model import Elastic, Settings
from graped.api.types import ConfigValue

_PREFIX: Final = "docker."
_ELASTIC: Final = "docker.elastic."


def read(values: Iterable[ConfigValue]) -> Settings:
    """Read the keys ``docker.*``; a key that is not there has its default, one that is not known is passed over."""
    found = {one.key: one.value for one in values if one.value is not None}
    elastic = Elastic(**_of(found, _ELASTIC, Elastic))
    settings: dict[str, Any] = {"advertise": _host(found.get("netboot.address")), **_of(found, _PREFIX, Settings)}
    return Settings(**{**settings, "elastic": elastic, "address_pool": tuple(settings.get("address_pool", ()))})


def _of(found: Mapping[str, object], prefix: str, kind: type[Elastic] | type[Settings]) -> dict[str, Any]:
    """The keys of one table that are there."""
    return {one.name: found[prefix + one.name] for one in fields(kind) if prefix + one.name in found}


def _host(interface: object) -> str | None:
    """The address out of ``10.77.0.1/24``."""
    return interface.partition("/")[0] if isinstance(interface, str) and interface else None
