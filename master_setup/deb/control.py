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
# What makes it comfortable, or is needed for a part only: apt installs these too unless told not to.
RECOMMENDS: Final = (
    "nfs-kernel-server | nfs-ganesha-vfs",
    "chrony | time-daemon",
    "nftables",
    "i2c-tools",
    "dosfstools",
    "xz-utils",
    "bash-completion",
    "man-db",
)
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
    needed = tuple(depends)
    kept = {re.split(r"[ |(]", name, maxsplit=1)[0] for name in needed}
    recommended = [one for one in RECOMMENDS if one.split()[0] not in kept]
    return (
        f"Package: {NAME}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: {MAINTAINER}\n"
        f"Installed-Size: {size_kb}\nDepends: {', '.join(needed)}\nRecommends: {', '.join(recommended)}\n"
        f"Section: admin\nPriority: optional\nDescription: {DESCRIPTION}"
    )
