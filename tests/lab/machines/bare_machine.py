"""A fresh Debian 12 with a systemd of its own, on which Grape can be installed without a network.

Its root is an ext4 file system of its own: roots of nodes are overlays, and an overlay cannot lie on an overlay.
It finds the repository, the wheelhouse and the source tree below ``/srv``, may only read them, and has no other source.
``eth0`` is its uplink with the default route, as Debian's installer sets it up; ``eth1`` is the cluster's side,
nobody's yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.lab.archive import archive
from tests.lab.debian import REPOSITORY, bare
from tests.lab.disk import disk
from tests.lab.machines.machine import Machine
from tests.lab.network import INTERFACE, Network
from tests.lab.run import Run
from tests.lab.wheelhouse import SOURCE_TREE, wheelhouse

WHEELHOUSE: Final = "/srv/wheelhouse"
SOURCE: Final = "/srv/source"
CLUSTER: Final = "eth1"
UPLINK_ADDRESS: Final = "192.168.50.2/24"
UPLINK_GATEWAY: Final = "192.168.50.1"
UPLINK: Final = f"""
auto {INTERFACE}
iface {INTERFACE} inet static
    address {UPLINK_ADDRESS}
    gateway {UPLINK_GATEWAY}
"""
OFF: Final = (
    "run-rpc_pipefs.mount",  # this machine's kernel may have no NFS at all
    "logrotate.timer", "dpkg-db-backup.timer",  # a test at midnight shows what it shows at noon
)  # fmt: skip


class BareMachine(Machine):
    """A machine with nothing but the base system. It ends with the run.

    ``base`` is another root file system to copy: one with packages in it, which then installs nothing from us.
    """

    def __init__(
        self,
        run: Run,
        name: str = "master",
        *,
        cluster: Network | None = None,
        base: Path | None = None,
        shown: tuple[tuple[Path, str], ...] = (),
    ) -> None:
        self.uplink = Network(run, f"{name}-uplink")
        place = self.uplink.place(name)
        if cluster is not None:
            cluster.cable(place, CLUSTER)
        tree = disk(run, name, base or bare())
        with (tree / "etc/network/interfaces").open("a") as interfaces:
            interfaces.write(UPLINK)
        for unit in OFF:
            (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
        offered = () if base else ((archive(), REPOSITORY), (wheelhouse(), WHEELHOUSE))
        super().__init__(place, tree, shown=(*offered, (SOURCE_TREE, SOURCE), *shown))

    def reboot(self) -> None:
        """Shut it down properly, and boot it again."""
        self.shut_down()
        self.boot()
