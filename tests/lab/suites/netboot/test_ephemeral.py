"""A node that keeps its changes in RAM, for real: a prepared image, read-only over NFS, under a real kernel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from graped.config.types import Prepare, Strategy
from graped.netboot.images.prepare import prepare
from graped.netboot.images.store import ImageStore
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.mounts import DirectMounts
from graped.netboot.roots.roots import Roots
from graped.netboot.roots.volumes import ensure_volume, volume_folder, volume_fstab
from graped.netboot.tftp.words import kernel_words
from graped.network.ssh_keys import KeyRing, KnownNode
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.lab.bare import BareDnsmasq
from tests.lab.machines import Uml
from tests.lab.master import Master
from tests.lab.network import Network
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login

NODE, MAC, ADDRESS, MASTER = "worker-0-1", "02:00:00:00:00:01", "10.77.0.11", IPv4Address("10.77.0.1")
VOLUME_BYTES = 64_000_000
BOOT_S = 120.0
VOLUME = "for i in $(seq 50); do findmnt --noheadings --output FSTYPE /var/lib/docker && break; sleep 1; done"

EXPORT = """
import json, sys
from ipaddress import IPv4Address
from pathlib import Path
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.ganesha import Ganesha
from graped.netboot.servers import ProcessServers
from graped.runner import SubprocessRunner
exports = [Export(path=Path(path), client=IPv4Address(sys.argv[2]), fsid=(4 - number << 28) + 1, read_only=read_only)
           for number, (path, read_only) in enumerate(json.loads(sys.argv[3]))]
server = Ganesha(ProcessServers(SubprocessRunner()), Path(sys.argv[1]), IPv4Address("10.77.0.1"))
server.apply(exports)
"""
PROBE = """
import json, sys
from graped.network.ssh_probe import probe
print(probe(sys.argv[1], 22, tuple(json.loads(sys.argv[2])), 10).found)
"""


def serve(master: Master, folder: Path, exports: Sequence[tuple[Path, bool]]) -> None:
    told = json.dumps([(str(path), read_only) for path, read_only in exports])
    argv = master.command(sys.executable, "-c", EXPORT, folder, ADDRESS, told)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_changes_are_in_ram_and_only_the_volume_lasts(lab: Run) -> None:
    master, key = Master(network := Network(lab), f"{MASTER}/24"), Key(lab)
    folder, runner = lab.folder("netboot"), SubprocessRunner()
    store = ImageStore(folder / "images", runner, time.time)
    imported = store.import_tree("node", root("node"), "the lab", Work())
    image = prepare(store, imported, Prepare(), Work())
    ring = KeyRing(lab.room / "ssh")
    identity = Identity(
        hostname=NODE, domain="grape", machine_id="1" * 32, master=MASTER, host_keys=ring.host_keys(NODE),
        authorized_keys=(key.public,), fstab=volume_fstab(MASTER, volume_folder(folder, NODE)), ntp=(str(MASTER),),
    )  # fmt: skip
    ring.write_known_hosts([KnownNode(name=NODE, addresses=(IPv4Address(ADDRESS),))])
    roots = Roots(folder, store, DirectMounts(folder, runner), runner, time.time)
    roots.create(NODE, image, Strategy.EPHEMERAL, identity, Work())
    ensure_volume(folder, NODE, VOLUME_BYTES, runner)
    served = [(one.path, one.read_only) for one in roots.exports(NODE)]
    serve(master, lab.folder("nfs"), [*served, (volume_folder(folder, NODE), False)])
    BareDnsmasq(master.place, lab.folder("boot"), {MAC: ADDRESS})
    machine = Uml(network, NODE, MAC)
    own = next(one.path for one in roots.exports(NODE) if not one.generation)
    machine.cmdline = kernel_words(
        "", server=MASTER, nfs_path=roots.export_path(NODE), ephemeral=True, private=own, more="panic=1"
    )
    login = Login(master.place, key, ADDRESS, ring.known_hosts)

    machine.power_on()
    login.wait(BOOT_S)
    assert login.do("findmnt --noheadings --output FSTYPE /").strip() == "overlay"
    assert login.do("hostname; cat /etc/machine-id").split() == [NODE, "1" * 32]
    assert login.do("cat /run/grape/interfaces").split() == ["eth0"]
    assert login.do(VOLUME).split() == ["ext4"]
    assert login.do("systemctl --failed --plain --no-legend").strip() == ""
    keys = json.dumps(ring.public_keys(NODE))
    assert master.do(sys.executable, "-c", PROBE, ADDRESS, keys).strip() == "up"
    login.do("echo gone > /etc/changed; rm /etc/fstab; echo kept > /var/lib/docker/layer; sync")
    machine.power_cut()

    machine.power_on()
    login.wait(BOOT_S)
    assert login.do(VOLUME).split() == ["ext4"]
    assert login.do("cat /var/lib/docker/layer; ls -d /etc/changed /etc/fstab 2>/dev/null", check=False).split() == [
        "kept",
        "/etc/fstab",
    ]
    machine.power_cut()
    assert store.verify(image, Work()) == ()
