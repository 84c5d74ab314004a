"""What the tests with a real dnsmasq share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.lab.network import Network
from tests.lab.run import Run
from tests.netboot.dhcp.master import Master

TOOLS = ("nsenter", "dnsmasq", "udhcpc", "busybox")


@pytest.fixture
def master() -> Iterator[Master]:
    """Give a master on a network of its own; skip where this machine cannot."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}: apt install dnsmasq-base udhcpc busybox-static")
    with Run() as run:
        yield Master(run, Network(run))
