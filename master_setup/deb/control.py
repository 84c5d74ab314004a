"""What dpkg is told about the package: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from graped.errors import ConfigError
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps.base import Step
from master_setup.targets import PYTHONS

NAME: Final = "grape"
ARCHES: Final = ("amd64", "arm64")  # for armhf not every package has a wheel
MAINTAINER: Final = "The Grape developers <grape@grape.invalid>"
VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+~]*$")  # of dpkg and of Python's packages alike
RECOMMENDS: Final = ("bash-completion", "man-db")
# Servers of a cluster: grape-setup installs them once it is told on which interface the nodes are.
SUGGESTS: Final = ("nfs-kernel-server | nfs-ganesha-vfs", "chrony", "nftables", "docker.io", "i2c-tools")
DESCRIPTION: Final = """\
power, watch and boot a rack of single-board computers
 Grape switches and meters the slots of its stack boards over I2C, serves
 DHCP, TFTP and NFS to the nodes in them, and tells how far each has booted.
 .
 Its Python packages come with it, locked, in an environment of its own below
 /opt/grape; nothing is fetched while it is installed.
"""


def depends(steps: Iterable[Step], arch: str) -> tuple[str, ...]:
    """Name what the steps of the installer need on any machine, and the Pythons that there are wheels for."""
    first, last = PYTHONS[0], PYTHONS[-1]
    after = f"{last.split('.')[0]}.{int(last.split('.')[1]) + 1}"
    python = (f"python3 (>= {first})", f"python3 (<< {after}~)")
    facts = Facts(arch=arch)
    names = {name for step in steps for name in step.packages(facts, Options())}
    return (*python, *sorted(names - {"python3"}))


def control(*, version: str, arch: str, depends: Iterable[str], size_kb: int) -> str:
    """Render the control file. Raises ConfigError for a version that dpkg and Python do not both know."""
    if not VERSION.match(version):
        raise ConfigError(f"{version!r} is no version of a package", hint="Use digits and dots: 0.2.0.")
    return (
        f"Package: {NAME}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: {MAINTAINER}\n"
        f"Installed-Size: {size_kb}\nDepends: {', '.join(depends)}\nRecommends: {', '.join(RECOMMENDS)}\n"
        f"Suggests: {', '.join(SUGGESTS)}\n"
        f"Section: admin\nPriority: optional\nDescription: {DESCRIPTION}"
    )
