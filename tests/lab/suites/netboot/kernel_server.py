"""Runs in a guest whose kernel has an NFS server: drives graped's own backend there. Argument: the exports, as JSON."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address
from pathlib import Path

from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.kernel import KernelNfs
from graped.netboot.servers import SystemdServers
from graped.netboot.systemd import Systemctl
from graped.runner import SubprocessRunner


def main() -> None:
    """Apply the exports, and say what was done and what is wrong."""
    asked = json.loads(sys.argv[1])
    runner = SubprocessRunner()
    backend = KernelNfs(
        SystemdServers(Systemctl(runner, Path(asked["netboot"]))),
        runner,
        Path(asked["netboot"]),
        IPv4Address(asked["address"]),
        units=True,
    )
    exports = [
        Export(path=Path(one["path"]), client=IPv4Address(one["client"]), fsid=one["fsid"]) for one in asked["exports"]
    ]
    done = backend.apply(exports)
    print(json.dumps({"done": done, "problems": backend.check(exports)}))


if __name__ == "__main__":
    main()
