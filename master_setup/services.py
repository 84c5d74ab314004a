"""Servers that were here before us and are the administrator's. Pure, but for :func:`look`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from master_setup.machine import Machine

OTHER_CLOCKS: Final = {"ntpsec": "/usr/sbin/ntpd", "openntpd": "/usr/sbin/ntpd", "ntp": "/usr/sbin/ntpd"}
UNIT_FOLDERS: Final = ("/usr/lib/systemd/system", "/lib/systemd/system")
CAP_SYS_TIME: Final = 25
OUR_EXPORTS: Final = "grape.exports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What of others has to be lived with. Nothing in here is ever changed or installed by us."""

    nfsd: bool = False  # the kernel has an NFS server, or can load one
    exports: bool = False  # the administrator exports something by the kernel's server
    clock: str = ""  # a time server that is not chrony: "ntpsec"
    may_set_clock: bool = True  # a container may not
    docker_ce: bool = False  # Docker from its makers, which Debian's cannot stand beside
    dnsmasq: bool = False  # Debian's own service, package dnsmasq
    dnsmasq_dynamic: bool = False  # it is told bind-dynamic, which does not go with bind-interfaces


def look(machine: Machine) -> Services:
    """Look once."""
    return Services(
        nfsd=_has_nfsd(machine),
        exports=_exports(machine),
        clock=next((name for name in OTHER_CLOCKS if machine.exists(f"/var/lib/dpkg/info/{name}.postinst")), ""),
        may_set_clock=_may_set_clock(machine.text("/proc/1/status")),
        docker_ce=machine.exists("/var/lib/dpkg/info/docker-ce.list"),
        dnsmasq=any(machine.exists(f"{folder}/dnsmasq.service") for folder in UNIT_FOLDERS),
        dnsmasq_dynamic=_dnsmasq_says(machine, "bind-dynamic"),
    )


def _has_nfsd(machine: Machine) -> bool:
    """Tell whether the kernel knows the file system of its NFS server, or has it as a module."""
    if any(line.split()[-1:] == ["nfsd"] for line in machine.text("/proc/filesystems").splitlines()):
        return True
    release = machine.text("/proc/sys/kernel/osrelease").strip()
    for base in ("/lib/modules", "/usr/lib/modules"):
        for name in ("modules.builtin", "modules.dep"):
            if re.search(r"(^|/)nfsd\.ko", machine.text(f"{base}/{release}/{name}"), re.MULTILINE):
                return True
    return False


def _may_set_clock(status: str) -> bool:
    """Tell by the capabilities of PID 1 (``CapBnd`` of its status)."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is None or bool(int(found[1], 16) >> CAP_SYS_TIME & 1)


def _exports(machine: Machine) -> bool:
    """Tell whether there is a line in /etc/exports or a file beside it that is not ours."""
    names = [f"/etc/exports.d/{name}" for name in machine.names("/etc/exports.d") if name != OUR_EXPORTS]
    texts = map(machine.text, ["/etc/exports", *(name for name in names if name.endswith(".exports"))])
    return any(line.strip() and not line.lstrip().startswith("#") for text in texts for line in text.splitlines())


def _dnsmasq_says(machine: Machine, word: str) -> bool:
    names = [f"/etc/dnsmasq.d/{name}" for name in machine.names("/etc/dnsmasq.d")]
    texts = map(machine.text, ["/etc/dnsmasq.conf", *names])
    return any(line.partition("#")[0].strip() == word for text in texts for line in text.splitlines())
