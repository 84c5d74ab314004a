"""What look.sh wrote, as values. Pure."""

from __future__ import annotations

import re
from typing import Final

from grape_docker.nodes.trouble import plain
from grape_docker.nodes.values import Folder, Machine

FULL: Final = 1 << 62  # bytes free where nothing was said: a check for room must not fail on a strange df
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_STAT: Final = re.compile(r"([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,20}) (.{1,40})", re.ASCII)
_CERT: Final = "cert"


def machine_of(text: str, *, asked: float, answered: float) -> Machine:
    """Read the script's lines. ``asked`` and ``answered`` are our clock in Unix seconds around it."""
    facts, cert = _split(text)
    swarm_id, member_id = membership_by(cert) if cert else ("", "")
    return Machine(
        hostname=plain(facts.get("hostname", "")),
        uid=int(_number(facts.get("uid", ""), -1)),
        architecture=facts.get("arch", ""),
        skew_s=_number(facts.get("now", ""), asked) - (asked + answered) / 2,
        skew_error_s=(answered - asked) / 2,
        docker=facts.get("docker") == "1",
        service=plain(facts.get("service", "")),
        data=_folder(plain(facts.get("data", "")), facts.get("fs", "")),
        volume=facts.get("volume") == "1",
        cgroup_memory=facts.get("cgroup_memory") != "0",
        addresses=tuple(facts.get("addresses", "").split()),
        registry_stamp=facts.get("registry_stamp", ""),
        swarm_id=swarm_id,
        member_id=member_id,
    )


def membership_by(cert_pem: str) -> tuple[str, str]:
    """Give the swarm that a node's certificate is of, and the node's id there; "" where it cannot be read.

    Source: swarmkit, ca/certificates.go (CN: node, OU: role, O: swarm).
    """
    from cryptography import x509

    try:
        subject = x509.load_pem_x509_certificate(cert_pem.encode()).subject
        (swarm, *_) = subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        (member, *_) = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except ValueError:
        return "", ""
    return plain(str(swarm.value)), plain(str(member.value))


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
    found = _STAT.fullmatch(words)
    if found is None:
        return Folder(path=path, kind="", free_bytes=FULL)
    blocks, size, free, inodes = map(int, found.groups()[:4])
    return Folder(path=path, kind=plain(found[5]), free_bytes=blocks * size, free_inodes=free if inodes else None)


def _number(word: str, otherwise: float) -> float:
    """Read a number; a date that knows no nanoseconds writes "123.N"."""
    found = _NUMBER.match(word)
    return float(found[0]) if found else otherwise
