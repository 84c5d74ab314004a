"""Have systemd start a program for us: as a unit of its own, so that graped's sandbox does not bind it. Pure.

A command in an image makes namespaces and becomes other users; a system call filter or ``NoNewPrivileges=`` of graped's
unit would be handed down to it. Its stdin, stdout, stderr and exit code are those of the program that is returned here.
Needs the system's D-Bus. Source: systemd-run(1).
"""

from __future__ import annotations

import os
import secrets
from typing import Final

NAME: Final = "grape-inside-"
INHERITED: Final = ("PYTHONPATH", "LD_LIBRARY_PATH")
PROPERTIES: Final = (
    "Description=Grape: a command in an image",
    "KillMode=mixed",
    "TimeoutStopSec=10",
    "OOMScoreAdjust=500",
)


def unit_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command line that runs ``argv`` in a unit of its own and waits for it."""
    words = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec"]
    words += [f"--unit={NAME}{secrets.token_hex(4)}.service"]
    words += [f"--property={value}" for value in PROPERTIES]
    words += [f"--setenv={name}" for name in INHERITED if name in os.environ]
    return (*words, "--", *argv)
