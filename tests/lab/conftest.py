"""What tests in the lab share: a run of their own, on a machine that allows it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.lab.run import Run

TOOLS = (
    "nsenter",
    "nft",
    "mke2fs",
    "dnsmasq",
    "mmdebstrap",
    "systemd-nspawn",
    "qemu-system-x86_64",
    "ganesha.nfsd",
    "rpcbind",
)


@pytest.fixture
def lab() -> Iterator[Run]:
    """Give a run of the lab; skip where this machine is no lab."""
    if reason := why_not():
        pytest.skip(reason)
    with Run() as run:
        yield run


def why_not() -> str:
    """Say why this machine is no lab, or nothing."""
    if os.geteuid() != 0:
        return "the lab needs root: it makes namespaces, mounts and machines"
    lacking = [
        tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
    ]
    return f"the lab needs {', '.join(lacking)}" if lacking else ""
