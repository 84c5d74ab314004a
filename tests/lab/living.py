"""What a machine is doing, beside what it holds: packages, units, addresses, rules, sockets, processes."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from typing import Final

ASKED: Final = {
    "packages": ("dpkg-query", "--show", "--showformat=${binary:Package} ${Version} ${Status}\\n"),
    "packages asked for": ("apt-mark", "showmanual"),
    "unit files": ("systemctl", "list-unit-files", "--no-legend", "--no-pager"),
    # Not the targets: some are reached once, and stay so until the next boot.
    "units": (
        "systemctl", "list-units", "--type=service,socket,timer,path,mount", "--state=active,activating,failed",
        "--plain", "--no-legend", "--no-pager",
    ),
    "links": ("ip", "-brief", "link"),
    "addresses": ("ip", "-4", "-brief", "address"),  # IPv6 gives itself one, a second after a link has come up
    "routes": ("ip", "-4", "route", "show", "table", "all"),
    "firewall": ("nft", "list", "ruleset"),
    "forwarding": ("sysctl", "net.ipv4.ip_forward"),
    "sockets": ("ss", "--no-header", "--listening", "--numeric", "--tcp", "--udp"),
    "mounts": ("findmnt", "--raw", "--noheadings", "--output=TARGET,FSTYPE"),
}  # fmt: skip
PROCESSES: Final = ("ps", "-e", "--no-headers", "--format=pid,user:20,comm")
LOOKS: Final = 3
LOOK_S: Final = 0.7


def doing(ask: Callable[..., str]) -> Mapping[str, list[str]]:
    """Ask a machine what it is doing, each answer in lines that can be compared; ``ask`` runs a program on it."""
    told = {name: sorted(" ".join(line.split()) for line in ask(*argv).splitlines()) for name, argv in ASKED.items()}
    return told | {"processes": lasting(ask)}


def lasting(ask: Callable[..., str]) -> list[str]:
    """Name the processes that stay: a service that is at work asks a small program something now and then."""
    seen = [set(ask(*PROCESSES).splitlines())]
    for _ in range(LOOKS - 1):
        time.sleep(LOOK_S)
        seen.append(set(ask(*PROCESSES).splitlines()))
    return sorted(" ".join(line.split()[1:]) for line in set.intersection(*seen))


def differences(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[str]:
    """Tell what is there now and was not, with a plus, and what is not any more, with a minus."""
    found = []
    for name, lines in before.items():
        told = difflib.unified_diff(lines, after[name], lineterm="", n=0)
        found += [f"{name}: {line}" for line in told if not line.startswith(("---", "+++", "@@"))]
    return found
