"""Root file systems with Docker: of a slave that is reached over SSH, and of the master of a swarm.

Docker keeps its own files on a real file system, because overlay2 does not stack on an overlay: whoever boots one of
these binds a folder to ``/var/lib/docker``, a copy of :func:`tests.lab.swarm_seed.seed`, say.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.cache import ALONE, cached, key_of
from tests.lab.debian import INTERFACES, MASKED
from tests.lab.roots import NODE, SUITE, _apt_sources, _leave_open, _left_out  # see tests.lab.debian

DOCKER: Final = ("docker.io", "iptables", "e2fsprogs", "ca-certificates", "faketime")
PACKAGES: Final = {
    "slave": DOCKER,
    "master": (*DOCKER, "docker-registry", "python3", "ifupdown", "openssh-client", "openssl", "busybox-static"),
}
# nspawn mounts the hierarchies of cgroups v1 read-only for whoever is not PID 1.
WRITABLE: Final = (
    '[Service]\nExecStartPre=/bin/sh -c "for c in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $$c || true; done"\n'
)
# Networks of its own only: what a node needs of iptables is there before Docker is, and no kernel module is.
DAEMON: Final = '{"log-driver": "json-file", "shutdown-timeout": 2}\n'
OFF: Final = (*MASKED, "docker-registry.service")
MAKE_S: Final = 900.0


def swarm_root(name: str) -> Path:
    """Give the root of a ``slave`` or the ``master``. It is shared: put an overlay on it."""
    key = key_of(SUITE, repr(NODE), Path(__file__).read_bytes())
    return cached(f"root-swarm-{name}", key, lambda into: _make(into / "root", PACKAGES[name])) / "root"


def _make(tree: Path, packages: tuple[str, ...]) -> None:
    words = [*ALONE, "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join((*NODE, *packages))}"]
    words += [f"--dpkgopt={option}" for option in ("force-unsafe-io", *_left_out())]
    words += [f'--customize-hook=chroot "$1" systemctl mask --quiet {" ".join(OFF)}']
    words += [SUITE, str(tree), *map(str, _apt_sources())]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
    _leave_open(tree)
    drop_in = tree / "etc/systemd/system/docker.service.d/lab.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(WRITABLE)
    (tree / "etc/docker").mkdir(exist_ok=True)
    (tree / "etc/docker/daemon.json").write_text(DAEMON)
    if (tree / "etc/network").is_dir():
        (tree / "etc/network/interfaces").write_text(INTERFACES)
        (tree / "etc/network/interfaces.d").mkdir(exist_ok=True)
