"""What Docker on a node holds at the beginning: one small image, so that no registry is needed. Made once.

The image is busybox. Its command :data:`SERVE` ends at SIGTERM at once, as a service should, and answers HTTP on
port 80 with the name of its machine where it is told to (``serve web``).
"""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from pathlib import Path
from typing import Final

from tests.lab.cache import cached, key_of
from tests.lab.machines.machine import Machine
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.run import Run
from tests.lab.swarm_roots import swarm_root

IMAGE: Final = "lab/busybox:1"
SERVE: Final = """\
#!/bin/sh
trap 'exit 0' TERM INT
if [ "$1" = web ]; then
    mkdir -p /www
    hostname >/www/index.html
    httpd -p "${2:-80}" -h /www
fi
while :; do sleep 3600 & wait $!; done
"""
APPLETS: Final = (
    "sh", "ash", "cat", "echo", "env", "false", "hostname", "httpd", "ls", "mkdir", "nc", "nslookup", "ping", "ps",
    "sleep", "true", "wget",
)  # fmt: skip
DOCKER_S: Final = 60.0
PAUSE_S: Final = 0.1


def seed() -> Path:
    """Give a folder for ``/var/lib/docker`` that holds :data:`IMAGE`. It is shared: copy it with ``cp -a``."""
    root = swarm_root("slave")
    key = key_of(root.parent.name, Path(__file__).read_bytes())
    return cached("docker-seed", key, lambda into: _make(into / "docker", root)) / "docker"


def image_tar() -> bytes:
    """Give the files of the image, as ``docker import`` takes them."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(_busybox(), "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        script = tarfile.TarInfo("bin/serve")
        script.mode, script.size = 0o755, len(SERVE)
        tar.addfile(script, io.BytesIO(SERVE.encode()))
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return data.getvalue()


def wait_docker(machine: Machine, timeout_s: float = DOCKER_S) -> None:
    """Wait until Docker on a machine answers."""
    deadline = time.monotonic() + timeout_s
    while machine.attempt("docker", "version").returncode:
        assert time.monotonic() < deadline, f"Docker does not answer on {machine.name}:\n{machine.journal('docker')}"
        time.sleep(PAUSE_S)


def _make(into: Path, root: Path) -> None:
    into.mkdir()
    with Run() as run:
        docker = run.folder("docker")
        place = Network(run).place("seed")
        machine = Machine(place, overlay(run, root, "seed"), binds=((docker, "/var/lib/docker"),))
        machine.boot()
        wait_docker(machine)
        machine.path("/root/image.tar").write_bytes(image_tar())
        machine.do("docker", "import", "--change", 'CMD ["/bin/serve"]', "/root/image.tar", IMAGE)
        machine.shut_down()
        for name in ("image", "overlay2"):  # nothing of its networks, volumes and identity
            shutil.copytree(docker / name, into / name, symlinks=True)


def _busybox() -> str:
    found = shutil.which("busybox", path="/usr/bin:/bin")
    if found is None:
        raise FileNotFoundError("busybox (Debian's package busybox-static)")
    return found
