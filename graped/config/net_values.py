"""What the values of ``netboot``, ``ssh`` and of a device that netboots may be."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from graped.config.expected import Expected, absolute, matched, text

LONGEST_CONFIG_TXT_LINE: Final = 98  # the rest is ignored. Source: raspberrypi/documentation, config.txt
LONGEST_KERNEL_ARGS: Final = 1000  # arm takes 1024 bytes in all, arm64 2048
SHORTEST_PREFIX: Final = 8
LONGEST_PREFIX: Final = 29  # the master, a node and room to grow
_KEY_TYPES: Final = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
# Image names become names of folders and stand in commands; versions are told by the first digits of their digest.
IMAGE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", re.ASCII)
_IMAGE: Final = re.compile(IMAGE_NAME.pattern + r"(?:@[0-9a-f]{4,64})?", re.ASCII)
_INTERFACE: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}", re.ASCII)  # IFNAMSIZ; no alias, no wildcard
_SERIAL: Final = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,200}}$){_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)
# It stands in options of mounts and in files of dnsmasq and the NFS server, each with its own special characters.
PLAIN_FOLDER: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._+-]+)+", re.ASCII)


def _address(word: str) -> IPv4Address:
    address = IPv4Address(word)
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_reserved:
        raise ValueError(word)
    return address


def _network(word: str) -> IPv4Interface:
    try:
        own = IPv4Interface(word)
    except (AddressValueError, NetmaskValueError) as error:
        raise ValueError(word) from error
    network = own.network
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise ValueError(word)
    if own.ip in (network.network_address, network.broadcast_address):
        raise ValueError(word)
    _address(str(own.ip))
    return own


def _printable(line: str) -> str:
    """Return text that is one line of plain characters. Raises: ValueError."""
    if not (line.isascii() and line.isprintable()):
        raise ValueError(line)
    return line


def _file_in_image(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path.startswith("/") or len(parts) < 2 or ".." in parts or not path.isprintable():
        raise ValueError(path)
    return path


def _script(path: str) -> str:
    return str(absolute(Path(path)))


def _public_key(line: str) -> str:
    """Return an OpenSSH public key without options.

    Raises: ValueError, never with the text. Source: sshd(8), AUTHORIZED_KEYS; RFC 4253, 6.6.
    """
    words = line.split(maxsplit=2)
    if len(words) < 2 or words[0] not in _KEY_TYPES or not line.isprintable():
        raise ValueError
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise ValueError from error
    name = words[0].encode()
    if blob[:4] != len(name).to_bytes(4, "big") or blob[4 : 4 + len(name)] != name or len(blob) <= 8 + len(name):
        raise ValueError
    return line.strip()


def _each(item: Any) -> Any:
    return tuple[item, ...]


ADDRESS: Final = Annotated[str, AfterValidator(_address), Expected("an IPv4 address of one host, such as 10.77.0.15")]
ADDRESSES: Final = Annotated[
    _each(Annotated[str, AfterValidator(_address)]), Expected("a list of IPv4 addresses of single hosts")
]
POOL: Final = Annotated[
    _each(Annotated[str, AfterValidator(IPv4Network)]), Expected("a list of IPv4 networks such as 10.200.0.0/16")
]
NETWORK: Final = Annotated[
    str,
    AfterValidator(_network),
    Expected(
        f"the master's IPv4 address with its network (/{SHORTEST_PREFIX} to /{LONGEST_PREFIX}), such as 10.77.0.1/24"
    ),
]
SERIAL: Final = Annotated[
    str,
    AfterValidator(lambda word: matched(_SERIAL, word).lower()),
    Expected("the last 8 hexadecimal digits of the board's serial number"),
]
IMAGE: Final = text(_IMAGE, "the name of an image such as bookworm or bookworm@3f9c2a")
INTERFACE: Final = text(_INTERFACE, "the name of a network interface such as eth1")
DOMAIN: Final = text(_DOMAIN, "a domain name")
FOLDER: Final = Annotated[
    Path,
    AfterValidator(absolute),
    AfterValidator(lambda path: Path(matched(PLAIN_FOLDER, str(path)))),
    Expected("an absolute path of letters, digits and . _ + -"),
]
KERNEL_ARGS: Final = Annotated[
    str,
    Field(max_length=LONGEST_KERNEL_ARGS),
    AfterValidator(_printable),
    Expected(f"one line of at most {LONGEST_KERNEL_ARGS} plain characters"),
]
CONFIG_TXT: Final = Annotated[
    _each(Annotated[str, Field(max_length=LONGEST_CONFIG_TXT_LINE), AfterValidator(_printable)]),
    Expected(f"a list of lines of at most {LONGEST_CONFIG_TXT_LINE} plain characters"),
]
FILES: Final = Annotated[
    dict[Annotated[str, AfterValidator(_file_in_image)], Annotated[str, AfterValidator(_script)]],
    Expected("a table: absolute path in the image = absolute path of a file on the master"),
]
SCRIPTS: Final = Annotated[_each(Annotated[str, AfterValidator(_script)]), Expected("a list of absolute paths")]
PUBLIC_KEYS: Final = Annotated[
    _each(Annotated[str, AfterValidator(_public_key)]),
    Expected("a list of public keys: type, base64, comment; as in the file that ends in .pub", hidden=True),
]
