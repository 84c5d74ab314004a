"""What the machine is, as plain values. ``look.look`` gathers them; steps decide by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from master_setup.board import Board
from master_setup.links import Network
from master_setup.program import Program
from master_setup.services import Services

REGISTRY_PORT: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One machine as it was found. Nothing in here changes by what master_setup does to it."""

    distribution: str = "debian"  # ID of /etc/os-release: "debian", "raspbian"
    version: int = 12  # 12 bookworm, 13 trixie; 0 where it does not tell
    arch: str = "amd64"  # as dpkg calls it
    kernel: str = ""  # release
    booted: bool = True  # systemd runs; it does not while an image is made
    invoker: str = ""  # who called sudo; "" for root itself
    program: Program = field(default_factory=lambda: Program(name=""))  # what is to be installed
    board: Board = field(default_factory=Board)
    network: Network = field(default_factory=Network)
    services: Services = field(default_factory=Services)
    registry_port: int = REGISTRY_PORT  # docker.registry_port of graped's files
