"""Whom dnsmasq becomes, and what it may read then.

It has root's rights only until it has its sockets: what it reads later, host files at a SIGHUP and every TFTP file, it
reads as this account.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graped.errors import ServerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user and its one group; it has no others."""

    user: str
    group: str
    uid: int
    gid: int


def account() -> Account:
    """Return Debian's own account for dnsmasq, else the one that every system has. Raises: ServerError."""
    for name in ("dnsmasq", "nobody"):
        try:
            user = pwd.getpwnam(name)
            group = grp.getgrgid(user.pw_gid)
        except KeyError:
            continue
        return Account(user=name, group=group.gr_name, uid=user.pw_uid, gid=user.pw_gid)
    raise ServerError("this system has no account that dnsmasq can run as", hint="Install dnsmasq-base.")


def closed_to(path: Path, who: Account) -> str:
    """Return the first thing on the way to a file that somebody may not pass; "" where all is open."""
    try:
        real = path.resolve(strict=True)
    except OSError:
        return "is a link to nothing"
    for step in _steps(real):
        status = step.stat()
        shift = 6 if status.st_uid == who.uid else 3 if status.st_gid == who.gid else 0
        bits = status.st_mode >> shift & 0o7
        if not bits & (0o1 if step.is_dir() else 0o4):
            return f"{step} is closed to {who.user}"
    return ""


def let_pass(folder: Path, who: Account) -> None:
    """Let somebody, and nobody else, pass through a folder whose names it knows: images hold programs set to root."""
    try:
        status = folder.stat()
        if (status.st_gid, status.st_mode & 0o777) != (who.gid, 0o710):
            os.chown(folder, -1, who.gid)
            folder.chmod(0o710)
    except FileNotFoundError:
        pass


def _steps(path: Path) -> Iterator[Path]:
    yield from reversed(path.parents)
    yield path
