"""Run a command inside a root, in namespaces of its own. A program: ``python -m graped.netboot.images.enter``.

What the command sees: its root, a fresh /dev, /proc, /run and /tmp, nobody else's processes, and the network only
where it was asked for. It has no rights that reach out of its root: no mounts, no device nodes, no clock, no modules.
All mounts are in its own namespace, so that nothing is left behind however it ends. Every process ends with the
command; and if whoever started this program is killed, all of it ends: with ``--lifeline`` also where somebody else
has started it for them, as systemd does.

Why not systemd-nspawn: on a machine without systemd it keeps nobody from device nodes that are in the image, and it
writes into the tree (mount points, links), which would be in the new version.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import sys
from pathlib import Path
from typing import Final, NoReturn

from graped.netboot.images.shared import POLICY, POLICY_TEXT

# mount(2), unshare(2), prctl(2), capabilities(7): values of the kernel's headers
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
MNT_DETACH: Final = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_CAPBSET_DROP = 1, 24
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1
KEPT_CAPABILITIES: Final = frozenset({
    0, 1, 3, 4, 5, 6, 7, 8,  # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap
    10, 18, 28, 29, 31,  # net_bind_service, sys_chroot, lease, audit_write, setfcap
})  # fmt: skip
READ_ONLY: Final = ("proc/sys", "proc/irq", "proc/bus", "proc/fs", "proc/sysrq-trigger")  # would reach the machine
HIDDEN: Final = ("proc/kcore", "proc/keys", "proc/key-users", "proc/timer_list", "proc/kmsg")
NODES: Final = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS: Final = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_OFFLINE": "1",  # systemctl only makes links
}
MOUNT_POINTS: Final = ("proc", "sys", "dev", "run", "tmp")
_libc: Final = ctypes.CDLL(None, use_errno=True)


def main(argv: list[str]) -> int:
    """Run the command of ``argv`` and return its exit code (128 + signal where one ended it)."""
    options = _parse(argv)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    lifeline = _take_lifeline() if options.lifeline else None
    if options.lock:
        lock = os.open(options.lock, os.O_RDONLY)  # held until this process ends
        fcntl.flock(lock, fcntl.LOCK_SH)
    network = 0 if options.network else CLONE_NEWNET
    _called(_libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | network), "unshare")
    reader, writer = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(writer)
        _end_with(_init, options, reader)
    os.close(reader)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the command
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(init, signal.SIGKILL))
    if lifeline is not None:
        _hold(init, lifeline)
    return _wait(init)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="enter")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--network", action="store_true", help="the machine's own network; else there is none")
    parser.add_argument("--bind", action="append", default=[], help="SOURCE:NAME, read-only at /run/grape/NAME")
    parser.add_argument("--lock", type=Path, help="folder that is locked (shared) as long as the command runs")
    parser.add_argument("--lifeline", action="store_true", help="end when the pipe that is our stdin is closed")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(argv)


def _take_lifeline() -> int:
    """Keep the pipe from the command, which gets an empty stdin in its place."""
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return lifeline


def _hold(init: int, lifeline: int) -> None:
    """Wait until process 1 has ended; kill it when the other end of the lifeline is closed."""
    watched = os.pidfd_open(init)
    ready, _, _ = select.select([watched, lifeline], [], [])
    if watched not in ready:
        os.kill(init, signal.SIGKILL)  # not reaped yet, so it is no other one
    os.close(watched)


def _init(options: argparse.Namespace, parent: int) -> int:
    """Be process 1 of the namespace: build what the command sees, run it, reap, clean up."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        return 1  # our parent died before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _build(options.root, options.bind, options.network)
    socket.sethostname("image")
    policy = _forbid_services()
    child = os.fork()
    if child == 0:
        _end_with(_become, options.command)
    try:
        return _wait(child)
    finally:
        if policy:
            os.unlink(f"/{POLICY}")


def _become(command: list[str]) -> NoReturn:
    """Give up all rights that reach out of the root, and become the command."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for capability in range(64):
        if capability not in KEPT_CAPABILITIES:
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL: this kernel has not so many
    environment = ENVIRONMENT | ({"TERM": os.environ["TERM"]} if "TERM" in os.environ else {})
    folders = [""] if "/" in command[0] else [f"{folder}/" for folder in ENVIRONMENT["PATH"].split(":")]
    code, reason = 127, "no such program"
    for folder in folders:
        try:
            os.execve(folder + command[0], command, environment)  # noqa: S606 - there is no shell, that is the point
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            code, reason = 126, error.strerror or ""
    os.write(2, f"cannot run {command[0]}: {reason}\n".encode())
    os._exit(code)


def _build(root: Path, binds: list[str], network: bool) -> None:
    """Mount what the command sees, and make ``root`` the root. No program runs, and no link in it is followed."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount(str(root), str(root), None, MS_BIND)
    os.chdir(root)
    _mount(None, ".", None, MS_REMOUNT | MS_BIND | MS_NODEV)  # the image may have nodes of this machine's disks
    for name in MOUNT_POINTS:
        _real_folder(name)
    _mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in READ_ONLY:
        if os.path.exists(name):
            _mount(name, name, None, MS_BIND)
            _mount(None, name, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    _mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    _devices()
    for name in HIDDEN:
        if os.path.exists(name):
            _mount("dev/null", name, None, MS_BIND)
    for bind in binds:
        source, _, name = bind.rpartition(":")
        _bind_file(source, f"run/grape/{name}")
    if network:
        _name_servers()
    else:
        _loopback_up()
    _called(_libc.pivot_root(b".", b"."), "pivot_root")  # the old root is now over the new one, pivot_root(2)
    _called(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")


def _real_folder(name: str) -> None:
    """Make a mount point if it is missing. Raises: OSError where it is a link: it would lead elsewhere."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name)
    if not stat.S_ISDIR(os.lstat(name).st_mode):
        raise OSError(f"/{name} in the image is no folder")


def _devices() -> None:
    _mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=0755")
    os.umask(0)
    for name, (major, minor) in NODES.items():
        os.mknod(f"dev/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.umask(0o022)
    for name, target in LINKS.items():
        os.symlink(target, f"dev/{name}")
    os.mkdir("dev/pts")
    _mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    os.mkdir("dev/shm")
    _mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def _bind_file(source: str, target: str) -> None:
    """Show a file of the machine, read-only; ``target`` is on one of our own tmpfs."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "xb"):
        pass
    _mount(source, target, None, MS_BIND)
    _mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _name_servers() -> None:
    """Have names looked up as on this machine, without a change to the tree."""
    try:
        target = os.readlink("etc/resolv.conf")
    except OSError:
        target = ""
    path = os.path.normpath(os.path.join("/etc", target)).lstrip("/") if target else ""
    if path.startswith("run/") and os.path.exists("/etc/resolv.conf"):
        _bind_file("/etc/resolv.conf", path)
    elif not target and _is_real_file("etc", "resolv.conf"):
        _mount("/etc/resolv.conf", "etc/resolv.conf", None, MS_BIND)


def _is_real_file(folder: str, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(folder).st_mode) and stat.S_ISREG(os.lstat(f"{folder}/{name}").st_mode)
    except OSError:
        return False


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def _forbid_services() -> bool:
    """Have Debian's packages start no service; we are in the root already, so nothing leads out of it."""
    try:
        with open(f"/{POLICY}", "x") as file:
            file.write(POLICY_TEXT)
            os.fchmod(file.fileno(), 0o755)
    except OSError:  # there is one, or this is no Debian
        return False
    return True


def _wait(child: int) -> int:
    """Reap everything until ``child`` ends; return its exit code."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_with(what: object, *arguments: object) -> NoReturn:
    """End a forked process without what Python does at an exit; its modules are not there any more."""
    code = 125
    try:
        code = what(*arguments)  # type: ignore[operator]
    except OSError as error:
        os.write(2, f"cannot enter the image: {error}\n".encode())
    finally:
        os._exit(code)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = (os.fsencode(word) if word is not None else None for word in (source, target, kind))
    _called(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _prctl(option: int, value: int) -> None:
    _called(_libc.prctl(option, value, 0, 0, 0), "prctl")


def _called(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
