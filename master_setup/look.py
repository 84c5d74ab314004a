"""Gather the facts of a machine. Nothing is changed."""

from __future__ import annotations

import os
from typing import Final

from master_setup import board, configuration, look_network, program, services
from master_setup.facts import REGISTRY_PORT, Facts
from master_setup.machine import Machine
from master_setup.options import Options

NO_OPTIONS: Final = Options()


def look(machine: Machine, options: Options = NO_OPTIONS) -> Facts:
    """Look at a machine once. Raises GrapeError where the program that is to be installed is not found."""
    arch = machine.says("dpkg", "--print-architecture") or "amd64"
    release = _release(machine.text("/etc/os-release"))
    version = release.get("VERSION_ID", "0").split(".")[0]
    return Facts(
        distribution=release.get("ID", "debian"),
        version=int(version) if version.isdigit() else 0,
        arch=arch,
        kernel=machine.text("/proc/sys/kernel/osrelease").strip(),
        booted=machine.booted,
        invoker=invoker(),
        program=program.find(machine, options, arch),
        board=board.look(machine),
        network=look_network.look(machine),
        services=services.look(machine),
        registry_port=_registry_port(machine),
    )


def invoker() -> str:
    """Return who called sudo; "" for root itself."""
    name = os.environ.get("SUDO_USER", "")
    return "" if name == "root" else name


def _registry_port(machine: Machine) -> int:
    port = configuration.value(machine, "docker", "registry_port", REGISTRY_PORT)
    return port if isinstance(port, int) else REGISTRY_PORT


def _release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
