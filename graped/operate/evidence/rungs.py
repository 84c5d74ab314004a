"""The rungs of the ladder, each for itself: our own link, a node's, and SSH from a closed port to a command."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.core.events import SshSeen
from graped.errors import CommandFailed, CommandTimeout, SshDenied, SshError
from graped.network.neighbours import Arp, Surroundings
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_probe import Found, Probe, probe
from graped.operate.power.asking import words

PROBE_S: Final = 2.0
LOGIN_S: Final = 1.5
COMMAND_S: Final = 1.5  # in all at most 5 s
NO_LINK: Final = "no link: ARP stays silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What came of SSH. ``text`` is for people."""

    ssh: SshSeen
    command: bool | None
    text: str


def our_own(address: IPv4Address, around: Surroundings, ours: str | None) -> str:
    """Name the interface of ours that leads to a node and is down: then nobody there can be blamed. "" none. Pure."""
    known = around.neighbours.get(address)
    interface = ours if known is None else known.interface
    return interface if interface is not None and interface in around.down else ""


def link_of(address: IPv4Address, around: Surroundings, arp: bool | None, *, alive: bool) -> tuple[bool | None, str]:
    """Tell whether a node has a link, and say by what. Pure.

    ``arp``: whether it answered ARP just now; None: it was not asked, or could not be: then the kernel's table tells.
    A node beyond a router has no entry there, and the kernel believes for half a minute what it heard last.
    """
    if alive:
        return True, "link up"
    if arp is not None:
        return arp, "ARP answers" if arp else NO_LINK
    known = around.neighbours.get(address)
    if known is None:
        return None, ""
    match known.arp:
        case Arp.ANSWERS | Arp.SEEN:
            return None, "ARP answered a while ago"
        case Arp.ASKED | Arp.SILENT:
            return False, NO_LINK


def meet_by_ssh(at: Endpoint, key: Path) -> Met:
    """Climb the rungs of SSH; blocks for at most about 5 s. Somebody who is not the node gets no login from us."""
    found = probe(at.address, at.port, at.host_keys, PROBE_S)
    if not found.up or not at.host_keys:
        return judged(found, pinned=bool(at.host_keys))
    try:
        with connect(at, key, timeout_s=LOGIN_S) as session:
            session.run("true", timeout_s=COMMAND_S)
    except SshDenied:
        return Met(ssh=SshSeen.TRUSTED, command=None, text="SSH has its pinned key and does not let us in")
    except CommandTimeout:
        return Met(ssh=SshSeen.TRUSTED, command=False, text="SSH lets us in, a command does not end")
    except (CommandFailed, SshError) as error:
        return Met(
            ssh=SshSeen.TRUSTED, command=False, text=f"SSH has its pinned key, a command fails: {words(error, at.name)}"
        )
    return Met(ssh=SshSeen.TRUSTED, command=True, text="SSH lets us in, a command ends well")


def judged(found: Probe, *, pinned: bool) -> Met:
    """Say what a probe means where nobody logs in. Pure."""
    match found.found:
        case Found.UP:
            return Met(ssh=SshSeen.BANNER, command=None, text="SSH answers, no key of it is pinned")
        case Found.REFUSED:
            return Met(ssh=SshSeen.REFUSED, command=None, text="its SSH port is closed")
        case Found.NO_ROUTE | Found.TIMEOUT | Found.ERROR:
            return Met(ssh=SshSeen.NONE, command=None, text=f"no SSH: {found.error}")
        case Found.NO_BANNER if found.error.endswith("it said nothing"):
            return Met(ssh=SshSeen.SILENT, command=None, text="SSH connects and says nothing")
        case Found.NO_BANNER:  # a server that turns us away ("Not allowed at this time") is alive
            return Met(ssh=SshSeen.BANNER, command=None, text=found.error)
        case Found.NO_KEY:
            ssh = SshSeen.SILENT if pinned else SshSeen.BANNER
            return Met(ssh=ssh, command=None, text="SSH says what it is and then shows no key")
        case Found.WRONG_KEY | Found.OTHER_KEY:
            return Met(ssh=SshSeen.WRONG_KEY, command=None, text=f"SSH answers with another key: {found.error}")
