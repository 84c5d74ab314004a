"""What the administrator asked for. Recorded: a later run without options means the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from master_setup import keys


class Nfs(StrEnum):
    """Which NFS server; ``auto``: the kernel's where it has one."""

    AUTO = "auto"
    KERNEL = "kernel"
    GANESHA = "ganesha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All that can be asked for. Paths are absolute, so that they mean the same from any folder."""

    interface: str = ""  # the cluster's; without it the network is left alone
    address: str = ""  # of the master on it, with its network: 10.77.0.1/24
    uplink: str = ""  # without it the interface of the default route
    nat: bool | None = None  # None: where there is a cluster interface
    confirm_s: int = 120  # in which a change of the network has to be confirmed
    nfs: Nfs = Nfs.AUTO
    users: tuple[str, ...] = ()  # into group grape
    keys: tuple[str, ...] = ()  # public SSH keys that nodes accept
    docker: bool = False
    swarm: bool = False  # this machine manages one: grape_docker runs
    registry: bool = False  # of Docker images, for the nodes
    wheelhouse: str = ""  # folder with wheels: no index is asked
    debs: str = ""  # folder with .debs: no archive is asked for what is there
    offline: bool = False  # ask no archive and no index at all
    packages: bool = True  # False: dpkg has seen to them
    packaged: bool = False  # True: what is below /usr belongs to dpkg

    def to_json(self) -> dict[str, object]:
        """Return what is written into the record."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in _pairs(self)}


def _pairs(options: Options) -> list[tuple[str, object]]:
    return [(each.name, getattr(options, each.name)) for each in dataclasses.fields(options)]


def from_json(raw: Mapping[str, object]) -> Options:
    """Read recorded options; what this version does not know is passed over."""
    known = {each.name for each in dataclasses.fields(Options)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items() if name in known}
    if "nfs" in values:
        values["nfs"] = Nfs(str(values["nfs"]))
    return Options(**values)  # type: ignore[arg-type]


def unpackaged(recorded: Options) -> Options:
    """Return the options once the package is gone: what dpkg saw to is again for the steps to see to."""
    return dataclasses.replace(recorded, packaged=False, packages=True, offline=False, wheelhouse="")


def merged(recorded: Options, given: Mapping[str, object]) -> Options:
    """Return the recorded options with those that were given now. Users and keys add up; the rest is replaced."""
    values = dict(given)
    if recorded.packaged:  # --no-packages was said because dpkg was at work, and held for that call
        values.setdefault("packages", True)
    if "keys" in values:
        values["keys"] = keys.merged(recorded.keys, values["keys"])  # type: ignore[arg-type]
    if "users" in values:
        asked = values["users"]
        assert isinstance(asked, tuple)
        values["users"] = tuple(dict.fromkeys((*recorded.users, *asked)))
    return dataclasses.replace(recorded, **values)  # type: ignore[arg-type]
