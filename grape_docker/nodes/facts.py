"""What look.sh wrote, as values. Pure."""

from __future__ import annotations

from typing import Final

from grape_docker.nodes.values import Folder, Machine

FULL: Final = 1 << 62  # bytes free where nothing was said: a check for room must not fail on a strange df
_CERT: Final = "cert"


def machine_of(text: str, *, asked: float, answered: float) -> Machine:
    """Read the script's lines. ``asked`` and ``answered`` are our clock in Unix seconds around it."""
    facts, cert = _split(text)
    return Machine(
        hostname=facts.get("hostname", ""),
        uid=int(facts.get("uid") or -1),
        architecture=facts.get("arch", ""),
        skew_s=float(facts.get("now") or asked) - (asked + answered) / 2,
        skew_error_s=(answered - asked) / 2,
        docker=facts.get("docker") == "1",
        service=facts.get("service", ""),
        data=_folder(facts.get("data", ""), facts.get("fs", "")),
        volume=facts.get("volume") == "1",
        cgroup_memory=facts.get("cgroup_memory") != "0",
        addresses=tuple(facts.get("addresses", "").split()),
        registry_stamp=facts.get("registry_stamp", ""),
        swarm_id=swarm_id_of(cert) if cert else "",
    )


def swarm_id_of(cert_pem: str) -> str:
    """Give the swarm that a node's certificate is of: its organisation; "" where it cannot be read.

    Source: swarmkit, ca/certificates.go (CN: node, OU: role, O: swarm).
    """
    from cryptography import x509

    try:
        (name, *_) = x509.load_pem_x509_certificate(cert_pem.encode()).subject.get_attributes_for_oid(
            x509.NameOID.ORGANIZATION_NAME
        )
    except ValueError:
        return ""
    return str(name.value)


def _split(text: str) -> tuple[dict[str, str], str]:
    facts: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if line == _CERT:
            break
        key, _, value = line.partition(" ")
        facts[key] = value.strip()
    return facts, "\n".join(lines)


def _folder(path: str, words: str) -> Folder:
    """Read what stat -f gave: free blocks, block size, free inodes, inodes, kind."""
    match words.split():
        case [blocks, size, free, inodes, *kind]:
            return Folder(
                path=path,
                kind=" ".join(kind),
                free_bytes=int(blocks) * int(size),
                free_inodes=int(free) if int(inodes) else None,
            )
    return Folder(path=path, kind="", free_bytes=FULL)
