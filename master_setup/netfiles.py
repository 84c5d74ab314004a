"""What each network manager reads for the cluster's interface, and the commands that make it so and take it back. Pure.

The address has to stay when the cable's other end is dark, for a stack's switch is off while its power is off.
Sources: nm-settings-keyfile(5), NetworkManager.conf(5) (ignore-carrier), systemd.network(5), interfaces(5),
dhcpcd.conf(5).
"""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Final, assert_never

from master_setup.links import Manager

Argv = tuple[str, ...]

OURS: Final = "# Written by Grape's master_setup, for the network of the cluster's nodes."
PROFILE: Final = "grape-cluster"
PROFILE_FILE: Final = f"/etc/NetworkManager/system-connections/{PROFILE}.nmconnection"
CARRIER_FILE: Final = "/etc/NetworkManager/conf.d/90-grape.conf"
NETWORKD_FILE: Final = "/etc/systemd/network/05-grape.network"  # the first file that matches an interface counts
INTERFACES: Final = "/etc/network/interfaces"
STANZA_FILE: Final = f"{INTERFACES}.d/grape"
DHCPCD_FILE: Final = "/etc/dhcpcd.conf"
_SPACE: Final = uuid.UUID("6f2f8a2e-5d0b-4a52-9c6e-67726170652e")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A file of ours, or (``block``) our lines in somebody else's file."""

    path: str
    content: str
    mode: int = 0o644
    block: bool = False


def texts(manager: Manager, name: str, address: IPv4Interface, *, parts: bool = True) -> tuple[Text, ...]:
    """Return what the manager of ``name`` has to read. ``parts``: ifupdown reads ``interfaces.d``."""
    match manager:
        case Manager.NETWORK_MANAGER:
            return (
                Text(path=CARRIER_FILE, content=_carrier(name)),
                Text(path=PROFILE_FILE, content=_profile(name, address), mode=0o600),
            )
        case Manager.NETWORKD:
            return (Text(path=NETWORKD_FILE, content=_networkd(name, address)),)
        case Manager.IFUPDOWN:
            stanza = f"auto {name}\niface {name} inet static\n    address {address}\n"
            if parts:
                return (Text(path=STANZA_FILE, content=f"{OURS}\n{stanza}"),)
            return (Text(path=INTERFACES, content=stanza, block=True),)
        case Manager.DHCPCD:
            lines = f"interface {name}\nstatic ip_address={address}\nnolink\nnoipv6rs\n"
            return (Text(path=DHCPCD_FILE, content=lines, block=True),)
        case _:
            assert_never(manager)


def up(manager: Manager, name: str) -> tuple[Argv, ...]:
    """Return the commands that have the manager take up its new files."""
    match manager:
        case Manager.NETWORK_MANAGER:
            return (
                ("nmcli", "general", "reload", "conf"),
                ("nmcli", "connection", "load", PROFILE_FILE),
                ("nmcli", "--wait", "30", "connection", "up", "id", PROFILE, "ifname", name),
            )
        case Manager.NETWORKD:
            return (_networkd_again(name),)
        case Manager.IFUPDOWN:
            return (("ifdown", "--force", name), ("ifup", name))
        case Manager.DHCPCD:
            return (("dhcpcd", "--rebind", name),)
        case _:
            assert_never(manager)


def before_files_go(manager: Manager, name: str) -> tuple[Argv, ...]:
    """Return the commands that come before our files are taken away."""
    match manager:
        case Manager.NETWORK_MANAGER:
            return (("nmcli", "connection", "down", "id", PROFILE),)
        case Manager.IFUPDOWN:
            return (("ifdown", "--force", name),)
        case Manager.NETWORKD | Manager.DHCPCD:
            return ()
        case _:
            assert_never(manager)


def after_files_went(manager: Manager, name: str, *, profile: str = "") -> tuple[Argv, ...]:
    """Return the commands that have the manager go back. ``profile``: NetworkManager's on it before, by UUID."""
    match manager:
        case Manager.NETWORK_MANAGER:
            again = (("nmcli", "--wait", "0", "connection", "up", "uuid", profile, "ifname", name),) if profile else ()
            return (("nmcli", "general", "reload", "conf"), ("nmcli", "connection", "reload"), *again)
        case Manager.NETWORKD:
            return (_networkd_again(name),)
        case Manager.DHCPCD:
            return (("dhcpcd", "--rebind", name),)
        case Manager.IFUPDOWN:
            return ()
        case _:
            assert_never(manager)


def _networkd_again(name: str) -> Argv:
    """Return the command that has networkd read its files; without D-Bus it is started anew, which cuts nothing."""
    asked = f"networkctl reload && networkctl reconfigure {shlex.quote(name)}"
    return ("sh", "-c", f"{asked} || systemctl restart systemd-networkd.service")


def _profile(name: str, address: IPv4Interface) -> str:
    return f"""\
{OURS}
[connection]
id={PROFILE}
uuid={uuid.uuid5(_SPACE, name)}
type=ethernet
interface-name={name}
autoconnect-priority=100

[ethernet]

[ipv4]
method=manual
address1={address}
never-default=true

[ipv6]
method=link-local
"""


def _carrier(name: str) -> str:
    return f"""\
{OURS}
# The address stays when the other end is switched off.
[device-grape]
match-device=interface-name:{name}
ignore-carrier=yes
"""


def _networkd(name: str, address: IPv4Interface) -> str:
    return f"""\
{OURS}
[Match]
Name={name}

[Link]
RequiredForOnline=no

[Network]
Address={address}
DHCP=no
IPv6AcceptRA=no
# The address stays when the other end is switched off.
ConfigureWithoutCarrier=yes
"""
