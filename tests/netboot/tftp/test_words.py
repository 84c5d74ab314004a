"""A node's command line and config.txt, from real images' ones."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import ServerError
from graped.netboot.tftp.words import cmdline_name, config_txt, image_cmdline_name, kernel_words

SERVER = IPv4Address("10.77.0.1")
ROOT = Path("/var/lib/grape/netboot/roots/worker-0-0/1/fs")
NFS = "vers=3,tcp,noacl,rsize=131072,wsize=131072"
OURS = f"root=/dev/nfs nfsroot=10.77.0.1:{ROOT},{NFS} rw ip=dhcp rootwait cgroup_enable=memory"

BOOKWORM = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait quiet "
    "init=/usr/lib/raspberrypi-sys-mods/firstboot splash plymouth.ignore-serial-consoles\n"
)
IMAGER = (
    "console=tty1 root=PARTUUID=1-02 rootwait resize systemd.run=/boot/firstrun.sh "
    "systemd.run_success_action=reboot systemd.unit=kernel-command-line.target cfg80211.ieee80211_regdom=DE"
)


def words(image: str, **options: object) -> str:
    return kernel_words(image, server=SERVER, nfs_path=ROOT, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "kept"),
    [
        (BOOKWORM, "console=serial0,115200 console=tty1 quiet splash plymouth.ignore-serial-consoles"),
        (IMAGER, "console=tty1 cfg80211.ieee80211_regdom=DE"),
        ("console=tty1 init=/usr/lib/raspi-config/init_resize.sh", "console=tty1"),
        ("a\nb\r\nc", "a b c"),
        ('dyndbg="file a.c +p; file b.c +p" init=/bin/own', 'dyndbg="file a.c +p; file b.c +p" init=/bin/own'),
        ("ip=10.0.0.2 nfsroot=10.0.0.1:/x root=/dev/nfs ro", ""),
        ("", ""),
    ],
)
def test_what_an_image_says_of_its_root_and_first_boot_goes_the_rest_stays(image: str, kept: str) -> None:
    assert words(image) == f"{kept} {OURS}".strip()


def test_the_users_words_come_last() -> None:
    assert words("quiet", more="console=ttyS0  net.ifnames=0\n") == f"quiet {OURS} console=ttyS0 net.ifnames=0"


def test_an_ephemeral_node_mounts_the_image_read_only_and_lays_its_memory_over_it() -> None:
    assert words("quiet init=/bin/own", ephemeral=True) == "quiet " + OURS.replace(
        " rw ", " ro init=/usr/lib/grape/ephemeral-init "
    )


@given(st.text())
def test_it_is_one_line_with_one_root_whatever_the_image_says(image: str) -> None:
    line = words(image)
    assert "\n" not in line
    assert [word for word in line.split() if word.partition("=")[0] == "root"] == ["root=/dev/nfs"]
    assert line.endswith(OURS)


@pytest.mark.parametrize(
    "length",
    [
        255 - len(f"10.77.0.1:,{NFS}"),
        256 - len(f"10.77.0.1:,{NFS}"),
    ],
)
def test_a_path_too_long_for_the_kernel_is_refused(length: int) -> None:
    path = Path("/" + "x" * (length - 1))
    if length < 256 - len(f"10.77.0.1:,{NFS}"):
        assert str(path) in kernel_words("", server=SERVER, nfs_path=path)
        return
    with pytest.raises(ServerError, match="too long"):
        kernel_words("", server=SERVER, nfs_path=path)


@pytest.mark.parametrize("path", ["/srv/a b", "/srv/a,rw", '/srv/"'])
def test_a_path_that_the_kernel_would_split_is_refused(path: str) -> None:
    with pytest.raises(ServerError, match="character"):
        kernel_words("", server=SERVER, nfs_path=Path(path))


def test_a_config_is_the_images_with_ours_for_all_models_after_it() -> None:
    image = "dtparam=audio=on\nauto_initramfs=1\n\n[cm5]\ndtoverlay=dwc2"
    assert config_txt(image, ["initramfs8"], ["dtparam=i2c_arm=on"]) == (
        "dtparam=audio=on\nauto_initramfs=1\n\n[cm5]\ndtoverlay=dwc2\n\n"
        "# --- graped: this node ---\n[all]\ndtparam=i2c_arm=on\n"
    )


@pytest.mark.parametrize(
    ("image", "names", "added"),
    [
        ("", ["kernel8.img"], False),
        ("", ["kernel8.img", "initramfs8"], True),
        ("auto_initramfs=0", ["initramfs8"], False),
        ("initramfs initrd.img-6.1 followkernel", ["initramfs8"], False),
        ("# initramfs of long ago", ["initramfs8"], True),
    ],
)
def test_an_initramfs_that_the_image_says_nothing_of_is_taken(image: str, names: list[str], added: bool) -> None:
    assert ("auto_initramfs=1" in config_txt(image, names)) is added


def test_where_the_firmware_looks_for_the_command_line() -> None:
    assert cmdline_name("") == "cmdline.txt"
    ubuntu = "[all]\nos_prefix=current/\ncmdline=nobtcmd.txt\n"
    assert cmdline_name(ubuntu) == "current/cmdline.txt"
    assert image_cmdline_name(ubuntu) == "current/nobtcmd.txt"
    assert "cmdline=cmdline.txt" in config_txt(ubuntu, [])
    for outside in ("os_prefix=../x/", "os_prefix=/etc/", "os_prefix=pre-"):
        assert cmdline_name(outside) == "cmdline.txt"


def test_an_ephemeral_node_is_told_where_its_own_files_are() -> None:
    own = Path("/var/lib/grape/netboot/private/worker-0-0")
    line = words("", ephemeral=True, private=own)
    assert f"init=/usr/lib/grape/ephemeral-init grape.private=10.77.0.1:{own} " in line
    assert words("", private=own) == words("")
