"""A swarm is made where there is none; one that is managed here is adopted as it is; a foreign one is left alone."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from grape_docker.model import Settings
from grape_docker.swarm import reading
from grape_docker.swarm.engine import Engine
from grape_docker.swarm.errors import AddressMissing, DockerError, ForeignSwarm, NotManager, SwarmBusy, SwarmLocked
from graped.errors import GrapeError

NS_PER_S = 1_000_000_000
DEFAULT_POOL = ("10.0.0.0/8",)  # Docker's own
FIRST_NETWORKS = 256  # a cluster that makes more overlay networks than these is not warned beforehand
INIT_TIMEOUT_S = 60.0  # keys and a CA are made: seconds on a slow Pi


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """The swarm that is there now. ``notes``: what differs from the configuration or may hurt, for people."""

    id: str
    self_id: str
    made: bool
    notes: tuple[str, ...] = ()


def ensure(engine: Engine, settings: Settings) -> Founded:
    """Make or adopt a swarm; see :meth:`grape_docker.swarm.manager.Manager.ensure`."""
    info = _look(engine)
    if judged(info):
        return _founded(engine, info, settings, made=False)
    if engine.is_local:
        check_here(settings.advertise or "")
    if judged(_look_anew(engine)):
        return _founded(engine, _look(engine), settings, made=False)
    engine.call("making a swarm", lambda client: _init(client, settings))
    return _founded(engine, _look(engine), settings, made=True)


def judged(info: reading.Json) -> bool:
    """Return whether Docker manages a swarm already; False: it is in none.

    ``info``: the part Swarm of GET /info. Raises ForeignSwarm, SwarmLocked, SwarmBusy, DockerError.
    """
    state = info.get("LocalNodeState") or "inactive"
    if state == "inactive":
        return False
    if state == "locked":
        raise SwarmLocked("the swarm on the master is locked", hint="Run: docker swarm unlock.")
    if state == "pending":
        raise SwarmBusy("the master's swarm is starting", hint="Wait; if it lasts: journalctl -u docker.")
    if state == "error":
        raise DockerError(
            f"the master's swarm does not work: {info.get('Error') or 'no reason given'}",
            hint="Look at: journalctl -u docker.",
        )
    if not info.get("ControlAvailable"):
        raise _without_control(info)
    return True


def why_not(error: NotManager, info: reading.Json) -> GrapeError:
    """Return why a request for managers was refused, by what Docker says of itself right after."""
    try:
        manages = judged(info)
    except GrapeError as known:
        return known
    if manages:  # Docker is being stopped or started: it says both for some seconds
        return SwarmBusy(error.detail, hint="Docker on the master is being stopped or started.")
    return NotManager("the master is in no swarm", hint="See grape_docker status.")


def _without_control(info: reading.Json) -> GrapeError:
    """Return why a member of a swarm cannot manage it: it is a worker, or a manager that has not found the others."""
    said = info.get("Error") or ""
    peers = [peer for peer in info.get("RemoteManagers") or [] if peer.get("NodeID") != info.get("NodeID")]
    if said and len(peers) < len(info.get("RemoteManagers") or []):
        return SwarmBusy(
            f"the master's swarm does not answer: {said}", hint="More than half of its managers must be up."
        )
    where = ", ".join(peer.get("Addr") or "?" for peer in peers) or "an unknown manager"
    return ForeignSwarm(
        f"the master is a worker of a swarm that {where} manages",
        hint="To let Grape have its own: docker swarm leave, on the master. Or promote the master there.",
    )


def check_here(advertise: str) -> None:
    """Raise AddressMissing where this machine does not have the address: Docker would make a swarm nobody can reach."""
    host = reading.host_of(advertise)
    if not _is_address(host):
        return  # the name of an interface, or nothing: Docker finds the address, or says why not
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise AddressMissing(
                f"no swarm is made: this machine does not have the address {host} ({error.strerror})",
                hint="See docker.advertise and netboot.address; wait until the interface is up.",
            ) from error


def spec_of(settings: Settings) -> dict[str, Any]:
    """Return the settings of a new swarm; what is not named gets Docker's default."""
    return {"Dispatcher": {"HeartbeatPeriod": int(settings.heartbeat_s * NS_PER_S)}}


def _init(client: Any, settings: Settings) -> None:
    pool = list(settings.address_pool)
    client.timeout, usual_s = max(client.timeout or 0, INIT_TIMEOUT_S), client.timeout
    try:
        client.init_swarm(
            advertise_addr=settings.advertise or None,
            data_path_addr=settings.data_path or None,
            default_addr_pool=pool or None,
            subnet_size=settings.subnet_bits if pool or settings.subnet_bits != 24 else None,
            swarm_spec=spec_of(settings),
        )
    finally:
        client.timeout = usual_s


def _look(engine: Engine) -> dict[str, Any]:
    return dict(engine.call("reading the state of the swarm", lambda client: client.info())["Swarm"])


def _look_anew(engine: Engine) -> dict[str, Any]:
    """Look by a new connection.

    A Docker that is being stopped says "inactive" on connections that are open, and has closed its socket to new ones:
    a swarm made just then would take the place of the one it had.
    """
    engine.forget()
    return _look(engine)


def _founded(engine: Engine, info: reading.Json, settings: Settings, *, made: bool) -> Founded:
    try:
        swarm = engine.call("reading the swarm", lambda client: client.inspect_swarm())
    except NotManager as error:
        raise why_not(error, _look(engine)) from error
    return Founded(id=swarm["ID"], self_id=info.get("NodeID") or "", made=made, notes=notes(info, swarm, settings))


def notes(info: reading.Json, swarm: Mapping[str, Any], settings: Settings) -> tuple[str, ...]:
    """Say what of an adopted swarm differs from the configuration, and what may hurt (pure)."""
    return tuple(filter(None, (_of_address(info, settings), _of_heartbeat(swarm, settings), _of_pool(swarm, settings))))


def _of_address(info: reading.Json, settings: Settings) -> str:
    found, wanted = info.get("NodeAddr") or "", reading.host_of(settings.advertise or "")
    if not found or not _is_address(wanted) or found == wanted:
        return ""
    return f"the swarm advertises {found}, docker.advertise says {wanted}: only a new swarm would take that over"


def _of_heartbeat(swarm: Mapping[str, Any], settings: Settings) -> str:
    found_ns = ((swarm.get("Spec") or {}).get("Dispatcher") or {}).get("HeartbeatPeriod") or 0
    if not found_ns or found_ns == int(settings.heartbeat_s * NS_PER_S):
        return ""
    seconds = found_ns / NS_PER_S
    return (
        f"the swarm's heartbeat is {seconds:g} s, docker.heartbeat_s says {settings.heartbeat_s:g}: "
        f"docker swarm update --dispatcher-heartbeat {settings.heartbeat_s:g}s would change it"
    )


def _of_pool(swarm: Mapping[str, Any], settings: Settings) -> str:
    """Warn where the first overlay networks would lie on the cluster's own network: nodes could not make them."""
    address = reading.host_of(settings.advertise or "")
    if not _is_address(address):
        return ""
    bits = swarm.get("SubnetSize") or 24
    for text in swarm.get("DefaultAddrPool") or DEFAULT_POOL:
        pool = ip_network(text, strict=False)
        first = ip_network((pool.network_address, max(pool.prefixlen, bits - FIRST_NETWORKS.bit_length() + 1)))
        if ip_address(address) in first:
            return (
                f"overlay networks begin at {first}, where the master's address {address} lies: "
                "set docker.address_pool before the swarm is made"
            )
    return ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
