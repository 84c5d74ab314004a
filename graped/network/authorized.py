"""Have a node let public keys in: lines of ``authorized_keys``, added where they are missing, of any of its users."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from graped.errors import CommandFailed, SshDenied

if TYPE_CHECKING:
    from graped.network.ssh_client import Session

# Run by the user whose file it is: root does not write into a folder that somebody else can change under its feet.
_SCRIPT: Final = """\
set -eu
umask 077
home=$(getent passwd "$(id -un)" | cut -d: -f6)
mkdir -p "$home/.ssh"
file=$home/.ssh/authorized_keys
new=$(mktemp "$home/.ssh/.grape-XXXXXX")
trap 'rm -f "$new"' EXIT
[ ! -e "$file" ] || cat "$file" >"$new"
[ -z "$(tail -c 1 "$new")" ] || echo >>"$new"
added=no
while read -r kind data comment; do
    grep -qF -e "$kind $data" "$new" && continue
    printf '%s %s %s\\n' "$kind" "$data" "$comment" >>"$new"
    added=yes
done <<'KEYS'
{keys}
KEYS
[ $added = no ] || mv -f "$new" "$file"
echo added=$added
"""
RUN_S: Final = 30.0
_ADDED: Final = "added=yes"


def let_in(session: Session, keys: Sequence[str], *, user: str, password: str | None = None) -> bool:
    """Have ``user`` of a node let these public keys in ("type base64 comment"); return whether one was missing.

    ``password``: for sudo, where the one who is logged in is another user and needs one. The file is written whole, by
    a rename. Raises: SshDenied (there is no way to become that user), CommandFailed, CommandTimeout, SshError.
    """
    script = _SCRIPT.replace("{keys}", "\n".join(" ".join(key.split()) for key in keys))
    become, before = _become(session, user, password)
    done = session.run(f"{become}sh -s", stdin=before + script, timeout_s=RUN_S, what="authorized_keys")
    return _ADDED in done.stdout


def _become(session: Session, user: str, password: str | None) -> tuple[str, str]:
    """Say the words that make a command ``user``'s, and what has to come on its stdin first."""
    mine = session.endpoint.user
    if mine == user:
        return "", ""
    if mine == "root":
        return f"runuser -u {shlex.quote(user)} -- ", ""
    sudo = f"sudo -u {shlex.quote(user)} -p ''"
    try:
        session.run(f"{sudo} -n true", timeout_s=RUN_S, what="sudo")
    except CommandFailed:
        if password is None:
            name = session.endpoint.name
            raise SshDenied(
                f"{name}: {mine} may not become {user} without a password",
                hint=f"Give the password of {mine}, or log in as {user}.",
                node=name,
            ) from None
        return f"{sudo} -S ", f"{password}\n"
    return f"{sudo} -n ", ""
