"""The programs that run on the nodes: run here, each in namespaces of its own, with a made-up kernel command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from graped.netboot.images.edits import carry_out
from graped.netboot.images.system import EPHEMERAL_INIT, STEPS
from graped.netboot.images.tree import Tree
from tests.netboot.images.tiny import ROOT_ONLY, tiny_root, write

pytestmark = [pytest.mark.lab, ROOT_ONLY]
NODE = "root=/dev/nfs nfsroot=10.77.0.1:/x,vers=3,tcp ip=dhcp"
REPORT = """#!/bin/sh
exec >&9
echo "pid $$"
cat /proc/mounts
ls /mnt
cat /etc/hostname
echo changed > /etc/hostname && cat /etc/hostname
echo new > /new && cat /new
exit 0
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tiny_root(tmp_path / "root")
    carry_out(Tree(root), STEPS)
    write(root, "sbin/report", REPORT, 0o755)
    return root


def start(root: Path, cmdline: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Begin as a kernel does: the root read-only, only /dev mounted, this program as process 1."""
    write(tmp_path, "cmdline", cmdline + "\n")
    script = f"""
        set -e
        mount --bind {root} {root}
        mount -o remount,bind,ro {root}
        mount -t tmpfs tmpfs {root}/dev
        touch {root}/dev/console
        mount -t proc proc {root}/proc
        mount --bind {tmp_path}/cmdline {root}/proc/cmdline
        cd {root}
        pivot_root . mnt
        umount -l /mnt
        exec chroot . /{EPHEMERAL_INIT} 9>&1
    """
    argv = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--propagation=private", "sh", "-c"]
    return subprocess.run([*argv, script], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_changes_are_in_ram_and_the_shared_root_stays(root: Path, tmp_path: Path) -> None:
    before = subprocess.run(["find", root, "-printf", "%p %m %s %l\n"], capture_output=True, text=True).stdout
    done = start(root, f"{NODE} grape.init=/sbin/report grape.ram=16m", tmp_path)
    said = done.stdout.splitlines()
    assert said[0] == "pid 1", done
    assert next(line for line in said if " / " in line).startswith("overlay / overlay rw")
    assert said[-4].endswith(" 0 0"), "nothing is below /mnt"
    assert said[-3:] == ["tiny", "changed", "new"], "everything can be written"
    after = subprocess.run(["find", root, "-printf", "%p %m %s %l\n"], capture_output=True, text=True).stdout
    assert after == before


MOUNT = """#!/bin/sh
case $* in
    *"-t nfs"*)
        echo "mount $*" >&9
        if [ ! -e /run/tried ]; then /bin/busybox mount -t tmpfs none /run; echo 1 >/run/tried; exit 32; fi
        for last; do :; done
        exec /bin/busybox mount -o bind /private "$last" ;;
esac
exec /bin/busybox mount "$@"
"""


def test_a_nodes_own_files_are_laid_over_the_shared_ones(root: Path, tmp_path: Path) -> None:
    """There is no NFS in this kernel: another ``mount`` stands in for it, which fails once as a busy server does."""
    use_dash(root)
    (root / "bin/mount").unlink()
    write(root, "bin/mount", MOUNT, 0o755)
    write(root, "private/etc/hostname", "worker-0-1\n")
    write(root, "private/root/.ssh/authorized_keys", "key\n", 0o600)
    (root / "private/root").chmod(0o700)
    write(root, "sbin/report", "#!/bin/sh\nexec >&9\ncat /etc/hostname; ls -ln /root/.ssh; ls -ld /root\n", 0o755)
    done = start(root, f"{NODE} grape.init=/sbin/report grape.private=10.77.0.1:/private/worker-0-1", tmp_path)
    said = done.stdout.splitlines()
    asked = "mount -n -i -t nfs -o ro,vers=3,proto=tcp,nolock,addr=10.77.0.1 10.77.0.1:/private/worker-0-1 "
    assert [line.startswith(asked) for line in said[:2]] == [True, True], done
    assert said[2] == "worker-0-1"
    assert said[-2].startswith("-rw-------")
    assert said[-1].startswith("drwx------")
    assert (root / "etc/hostname").read_text() == "tiny\n"


def use_dash(root: Path) -> None:
    """Have a shell that takes ``mount`` from the PATH: busybox runs its own."""
    libraries = re.findall(r"/\S+", subprocess.run(["ldd", "/bin/dash"], capture_output=True, text=True).stdout)
    for path in ["/bin/dash", *libraries]:
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.lstrip("/"))
    (root / "bin/sh").unlink()
    (root / "bin/sh").symlink_to("dash")


def generate(tmp_path: Path, cmdline: str, before: str = "", times: int = 1) -> Path:
    """Run the generator as systemd does, on a machine with one wired interface that the kernel has set up."""
    if shutil.which("ip") is None:
        pytest.skip("needs ip: apt install iproute2")
    generator = tmp_path / "generator"
    carry_out(Tree(tiny_root(tmp_path / "image")), STEPS)
    generator.symlink_to(tmp_path / "image/usr/lib/systemd/system-generators/grape-netboot")
    write(tmp_path, "cmdline", cmdline + "\n")
    (tmp_path / "early").mkdir()
    script = f"""
        set -e
        ip link add grape0 type veth peer name other0
        ip link set grape0 up; ip link set other0 up
        ip address add 10.77.0.11/24 dev grape0
        mount --bind {tmp_path}/cmdline /proc/cmdline
        {before}
        export GRAPE_RUN={tmp_path}/run
        for turn in $(seq {times}); do
            sh -e {generator} {tmp_path}/normal {tmp_path}/early {tmp_path}/late
            ip address add 10.88.0.1/24 dev other0 2>/dev/null || :
        done
    """
    argv = ["unshare", "--mount", "--net", "--propagation=private", "sh", "-c", script]
    subprocess.run(argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return tmp_path / "run"


def test_the_interface_of_the_root_is_nobodys(tmp_path: Path) -> None:
    pnp = "mount --bind {0}/pnp /proc/net/pnp 2>/dev/null || :"
    run = generate(tmp_path, NODE, before=pnp.format(tmp_path), times=2)
    assert (run / "grape/interfaces").read_text() == "grape0\n", "also when it runs again, with more routes"
    assert [path.name for path in (run / "systemd/network").iterdir()] == ["00-grape-grape0.network"]
    assert (
        run / "systemd/network/00-grape-grape0.network"
    ).read_text() == "[Match]\nName=grape0\n[Link]\nUnmanaged=yes\n"
    keyfile = (run / "NetworkManager/conf.d/99-grape.conf").read_text()
    assert keyfile == "[keyfile]\nunmanaged-devices=interface-name:grape0\n"
    assert (tmp_path / "early/systemd-networkd-wait-online.service").readlink() == Path("/dev/null")


def test_name_servers_of_an_initramfs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = "DEVICE='grape0'\nIPV4DNS0='10.77.0.1'\nIPV4DNS1='0.0.0.0'\nDNSDOMAIN='grape'\n"
    (tmp_path / "run/net-grape0.conf").write_text(text)
    run = generate(tmp_path, NODE)
    assert (run / "grape/resolv.conf").read_text() == "nameserver 10.77.0.1\nsearch grape\n"
    assert (run / "systemd/resolved.conf.d/grape.conf").read_text() == "[Resolve]\nDNS=10.77.0.1\nDomains=grape\n"


def test_a_machine_with_a_disk_is_left_alone(tmp_path: Path) -> None:
    assert not generate(tmp_path, "root=/dev/mmcblk0p2 rootwait quiet").exists()
    assert list((tmp_path / "early").iterdir()) == []
