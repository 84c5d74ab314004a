"""The master's registry on a node: its certificate authority, and itself as the mirror that plain names come from."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import Any, Final

from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Machine, RegistryTrust
from graped.errors import CommandFailed

_MIRRORS: Final = "registry-mirrors"
_READ: Final = "cat /etc/docker/daemon.json 2>/dev/null || true"
_HEAD: Final = """umask 022
put() { printf '%s' "$2" > "$1.grape" && mv -f "$1.grape" "$1" || exit 1; }
mkdir -p /etc/docker/certs.d || exit 1"""
_RELOAD: Final = """if [ -d /run/systemd/system ]; then
    if systemctl is-active --quiet docker.service; then systemctl reload docker.service || exit 1; fi
elif [ -s /run/docker.pid ]; then
    kill -HUP "$(cat /run/docker.pid)"
fi"""


def stamp_of(trust: RegistryTrust | None) -> str:
    """Say in one line what a node was told; "" for nothing. It begins with the registry's address. Pure."""
    if trust is None:
        return ""
    digest = hashlib.sha256(f"{trust.ca_pem}\n{trust.mirror}".encode()).hexdigest()[:16]
    return f"{trust.address} {digest}"


def is_told(machine: Machine, trust: RegistryTrust | None) -> bool:
    """Whether the node knows already what it has to. Pure."""
    return machine.registry_stamp == stamp_of(trust)


def tell_node(node: Remote, machine: Machine, trust: RegistryTrust | None) -> str:
    """Have the node trust this registry and no former one of ours; return what was done. Raises: NodeTrouble."""
    try:
        before = node.script(_READ, what="reading daemon.json").stdout
        former = _former(machine)
        after = merged(before, trust, former)
        node.script(script(before, after, trust, former), what="writing what Docker has to know of the registry")
    except CommandFailed as error:
        raise NodeTrouble(Code.REGISTRY, f"it cannot be told of the registry: {said(error)}") from error
    return f"trusts the registry {trust.address}" if trust else f"no longer uses the registry {former}"


def merged(text: str, trust: RegistryTrust | None, former: str) -> str:
    """Put our mirror into a daemon.json, the former one out, and leave the rest as it is. Pure. Raises: NodeTrouble."""
    try:
        settings: dict[str, Any] = json.loads(text) if text.strip() else {}
        mirrors: list[str] = list(settings.get(_MIRRORS, []))
    except (ValueError, AttributeError, TypeError) as error:
        hint = "mend it on the node: dockerd itself does not start with it"
        raise NodeTrouble(
            Code.REGISTRY, f"/etc/docker/daemon.json cannot be read: {error}", hint=hint, lasting=True
        ) from error
    ours = [_url(trust.address)] if trust and trust.mirror else []
    gone = {_url(former), *ours} if former else set(ours)
    wanted = ours + [one for one in mirrors if one.rstrip("/") not in gone]
    if wanted == mirrors:
        return text
    rest = {key: value for key, value in settings.items() if key != _MIRRORS}
    changed = {**rest, **({_MIRRORS: wanted} if wanted else {})}
    return json.dumps(changed, indent=2) + "\n" if changed or text.strip() else ""


def script(before: str, after: str, trust: RegistryTrust | None, former: str) -> str:
    """Write the script that changes the node: the stamp last, so that a cut in the middle is mended. Pure."""
    lines = [_HEAD]
    if former and (trust is None or former != trust.address):
        lines.append(f"rm -rf -- {shlex.quote(f'/etc/docker/certs.d/{former}')}")
    if trust is not None:
        folder = f"/etc/docker/certs.d/{trust.address}"
        lines.append(f"mkdir -p {shlex.quote(folder)} || exit 1")
        lines.append(f"put {shlex.quote(f'{folder}/ca.crt')} {shlex.quote(trust.ca_pem)}")
    if after != before:
        lines += [f"put /etc/docker/daemon.json {shlex.quote(after)}", _RELOAD]
    stamp = "/etc/docker/grape-registry.stamp"
    lines.append(f"put {stamp} {shlex.quote(stamp_of(trust))}" if trust else f"rm -f {stamp}")
    return "\n".join(lines)


def _former(machine: Machine) -> str:
    """Give the address that the node was told of last; it becomes part of a path there, so nothing else. Pure."""
    address = machine.registry_stamp.partition(" ")[0]
    return "" if "/" in address or address.startswith(".") else address


def _url(address: str) -> str:
    return f"https://{address}"
