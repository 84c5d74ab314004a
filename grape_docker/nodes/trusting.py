"""The master's registry on a node: its certificate authority, and itself as the mirror that plain names come from."""

from __future__ import annotations

import hashlib
import shlex
from typing import Final

from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Machine
from grape_docker.registry.errors import BadDaemonJson
from grape_docker.registry.trust import CERTS_DIR, DAEMON_JSON, Trust, with_mirror, without_mirror
from graped.errors import CommandFailed

_STAMP: Final = DAEMON_JSON.with_name("grape-registry.stamp")
_READ: Final = f"cat {DAEMON_JSON} 2>/dev/null || true"
_HEAD: Final = f"""umask 022
put() {{ printf '%s' "$2" > "$1.grape" && mv -f "$1.grape" "$1" || exit 1; }}
mkdir -p {CERTS_DIR} || exit 1"""
# A Docker that is starting may have read the old file already: it is waited for. One that does not start reads the new.
_RELOAD: Final = """if [ -d /run/systemd/system ]; then
    case "$(systemctl show --property=ActiveState --value docker.service)" in
        active | reloading) systemctl reload docker.service || exit 1 ;;
        activating) systemctl start docker.service && systemctl reload docker.service || true ;;
    esac
elif [ -s /run/docker.pid ]; then
    kill -HUP "$(cat /run/docker.pid)"
fi"""


def stamp_of(trust: Trust | None) -> str:
    """Say in one line what a node was told; "" for nothing. It begins with the registry's address. Pure."""
    if trust is None:
        return ""
    return f"{trust.address.text} {hashlib.sha256(trust.ca_pem.encode()).hexdigest()[:16]}"


def is_told(machine: Machine, trust: Trust | None) -> bool:
    """Whether the node knows already what it has to. Pure."""
    return machine.registry_stamp == stamp_of(trust)


def tell_node(node: Remote, machine: Machine, trust: Trust | None) -> str:
    """Have the node trust this registry and no former one of ours; return what was done. Raises: NodeTrouble."""
    former = _former(machine)
    try:
        before = node.script(_READ, what="reading daemon.json").stdout
        text = script(changed(before, trust, former), trust, former)
        node.script(text, what="writing what Docker has to know of the registry")
    except BadDaemonJson as error:
        raise NodeTrouble(Code.REGISTRY, error.detail, hint=error.hint, lasting=True) from error
    except CommandFailed as error:
        raise NodeTrouble(Code.REGISTRY, f"it cannot be told of the registry: {said(error)}") from error
    return f"trusts the registry {trust.address.text}" if trust else f"no longer uses the registry {former}"


def changed(text: str, trust: Trust | None, former: str) -> str | None:
    """Give the daemon.json that the node should have; None where it has it. Pure. Raises: BadDaemonJson."""
    old = f"https://{former}"
    if trust is None:
        return without_mirror(text, old) if former else None
    return with_mirror(text, trust.mirror, former=(old,) if former else ())


def script(daemon_json: str | None, trust: Trust | None, former: str) -> str:
    """Write the script that changes the node: the stamp last, so that a cut in the middle is mended. Pure."""
    lines = [_HEAD]
    if former and (trust is None or former != trust.address.text):
        lines.append(f"rm -rf -- {shlex.quote(str(CERTS_DIR / former))}")
    if trust is not None:
        lines.append(f"mkdir -p {shlex.quote(str(trust.ca_path.parent))} || exit 1")
        lines.append(f"put {shlex.quote(str(trust.ca_path))} {shlex.quote(trust.ca_pem)}")
    if daemon_json is not None:
        lines += [f"put {DAEMON_JSON} {shlex.quote(daemon_json)}", _RELOAD]
    lines.append(f"put {_STAMP} {shlex.quote(stamp_of(trust))}" if trust else f"rm -f {_STAMP}")
    return "\n".join(lines)


def _former(machine: Machine) -> str:
    """Give the address that the node was told of last; it becomes part of a path there, so nothing else. Pure."""
    address = machine.registry_stamp.partition(" ")[0]
    return "" if "/" in address or address.startswith(".") else address
