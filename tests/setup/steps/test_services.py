"""Servers of others, as they are found on replicas."""

from __future__ import annotations

from pathlib import Path

import pytest

from master_setup import services
from master_setup.services import Services
from tests.setup.steps.replica import tree

RELEASE = {"/proc/sys/kernel/osrelease": "6.1.0-37-amd64\n"}


def test_a_bare_debian(tmp_path: Path) -> None:
    assert services.look(tree(tmp_path, RELEASE)) == Services()


@pytest.mark.parametrize(
    ("path", "text", "has_it"),
    [
        ("/proc/filesystems", "nodev\tsysfs\nnodev\tnfsd\n", True),
        ("/proc/filesystems", "nodev\tsysfs\nnodev\tnfs\n", False),
        ("/lib/modules/6.1.0-37-amd64/modules.dep", "kernel/fs/nfsd/nfsd.ko: kernel/fs/lockd/lockd.ko\n", True),
        ("/lib/modules/6.1.0-37-amd64/modules.dep", "kernel/fs/nfsd/nfsd.ko.xz: kernel/fs/lockd/lockd.ko.xz\n", True),
        ("/lib/modules/6.1.0-37-amd64/modules.dep", "kernel/fs/nfs/nfs.ko: kernel/fs/lockd/lockd.ko\n", False),
        ("/lib/modules/6.1.0-37-amd64/modules.builtin", "kernel/fs/nfsd/nfsd.ko\n", True),
        ("/lib/modules/5.10.0-9-amd64/modules.dep", "kernel/fs/nfsd/nfsd.ko:\n", False),  # of another kernel
    ],
)
def test_the_kernels_nfs_server(tmp_path: Path, path: str, text: str, has_it: bool) -> None:
    assert services.look(tree(tmp_path, {**RELEASE, path: text})).nfsd is has_it


@pytest.mark.parametrize(
    ("path", "text", "theirs"),
    [
        ("/etc/exports", "# /srv/nfs4  gss/krb5i(rw,sync)\n\n", False),
        ("/etc/exports", "/srv/home 192.168.0.0/24(rw)\n", True),
        ("/etc/exports.d/media.exports", "/media *(ro)\n", True),
        ("/etc/exports.d/grape.exports", "/var/lib/grape/netboot/roots/a 10.77.0.10(rw)\n", False),
        ("/etc/exports.d/README", "words\n", False),
    ],
)
def test_exports_of_the_administrator(tmp_path: Path, path: str, text: str, theirs: bool) -> None:
    assert services.look(tree(tmp_path, {path: text})).exports is theirs


def test_others_are_noticed(tmp_path: Path) -> None:
    files = {
        "/var/lib/dpkg/info/ntpsec.postinst": "",
        "/var/lib/dpkg/info/docker-ce.list": "",
        "/usr/lib/systemd/system/dnsmasq.service": "",
        "/etc/dnsmasq.d/own": "bind-dynamic # all of them\n",
        "/proc/1/status": "Name:\tsystemd\nCapBnd:\t000001fffdffffff\n",
    }
    found = services.look(tree(tmp_path, files))
    assert found == Services(may_set_clock=False, docker_ce=True, clock="ntpsec", dnsmasq=True, dnsmasq_dynamic=True)


def test_a_machine_may_set_its_clock(tmp_path: Path) -> None:
    assert services.look(tree(tmp_path, {"/proc/1/status": "CapBnd:\t000001ffffffffff\n"})).may_set_clock
