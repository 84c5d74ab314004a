"""What of a boot folder is served: what boots, never what somebody else put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.errors import BadImage
from graped.netboot.tftp import BootFolder, boot_files, read_boot
from tests.netboot.plans import node, plan, pxe

NFS = Path("/srv/roots/worker-0-0/1/fs")
SECRETS = ("userconf.txt", "wpa_supplicant.conf", "user-data", "network-config", "firstrun.sh", "custom.toml", "ssh")


def make(folder: Path, *names: str, text: str = "x") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    return folder


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    boot = make(
        tmp_path / "boot" / "firmware", "bootcode.bin", "start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb",
        "kernel8.img", "initramfs8", "overlays/overlay_map.dtb", "overlays/i2c0.dtbo", "overlays/README",
        "issue.txt", *SECRETS,
    )  # fmt: skip
    (boot / "config.txt").write_text("auto_initramfs=1\r\ninclude extra.txt\r\n")
    (boot / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1-02\n")
    return make(boot, "extra.txt")


def test_what_boots_is_served_and_nothing_else(firmware: Path) -> None:
    seen = read_boot(firmware)
    assert sorted(seen.files) == [
        "bcm2711-rpi-4-b.dtb", "bootcode.bin", "extra.txt", "fixup4.dat", "initramfs8", "kernel8.img",
        "overlays/README", "overlays/i2c0.dtbo", "overlays/overlay_map.dtb", "start4.elf",
    ]  # fmt: skip
    assert seen.whole == {"overlays"}
    assert seen.cmdline == "console=tty1 root=PARTUUID=1-02\n"
    assert seen.config == "auto_initramfs=1\ninclude extra.txt\n"


def test_a_pi_gets_links_and_its_own_two_files(firmware: Path) -> None:
    told = plan(node(0), kernel_args="quiet", config_txt=("enable_uart=1",))
    folder = boot_files(told, node(0, serial="1234abcd"), read_boot(firmware), NFS)
    assert folder.name == "b8-27-eb-00-00-01"
    assert folder.serial == "1234abcd"
    assert folder.links["kernel8.img"] == firmware / "kernel8.img"
    assert folder.links["overlays"] == firmware / "overlays"
    assert sorted(folder.files) == ["cmdline.txt", "config.txt"]
    assert folder.files["cmdline.txt"] == (
        f"console=tty1 root=/dev/nfs nfsroot=10.77.0.1:{NFS},vers=3,tcp,noacl,rsize=131072,wsize=131072 "
        "rw ip=dhcp rootwait cgroup_enable=memory quiet\n"
    )
    assert folder.files["config.txt"].endswith("[all]\nenable_uart=1\n")


def test_a_pc_gets_a_script_kernel_initrd_and_its_loaders(tmp_path: Path) -> None:
    boot = make(tmp_path / "boot", "vmlinuz-6.1", "initrd.img-6.1", "config-6.1", "grub/grub.cfg", "grub/core.img")
    folder = boot_files(plan(pxe(0)), pxe(0), read_boot(boot), NFS, loaders={"snponly.efi": Path("/l/snponly.efi")})
    assert folder.links == {
        "vmlinuz-6.1": boot / "vmlinuz-6.1",
        "initrd.img-6.1": boot / "initrd.img-6.1",
        "snponly.efi": Path("/l/snponly.efi"),
    }
    assert list(folder.files) == ["boot.ipxe"]
    assert f"nfsroot=10.77.0.1:{NFS},vers=3,tcp" in folder.files["boot.ipxe"]


def test_a_folder_that_holds_a_file_of_the_nodes_own_is_linked_file_by_file(tmp_path: Path) -> None:
    boot = make(tmp_path / "fw", "current/vmlinuz", "current/initrd.img", "current/overlays/a.dtbo", "bootcode.bin")
    (boot / "config.txt").write_text("os_prefix=current/\n")
    (boot / "current" / "cmdline.txt").write_text("multipath=off root=LABEL=writable")
    folder = boot_files(plan(node(0)), node(0), read_boot(boot), NFS)
    assert folder.files["current/cmdline.txt"].startswith("multipath=off root=/dev/nfs ")
    assert folder.links["current/vmlinuz"] == boot / "current" / "vmlinuz"
    assert "current" not in folder.links


def test_no_link_leads_out_of_the_boot_folder(tmp_path: Path) -> None:
    make(tmp_path, "shadow.img")
    boot = make(tmp_path / "boot", "kernel8.img", "overlays/a.dtbo")
    (boot / "evil.img").symlink_to(tmp_path / "shadow.img")
    (boot / "dangling.img").symlink_to("nothing")
    (boot / "pipe.img").symlink_to("/dev/null")
    (boot / "overlays" / "evil.dtbo").symlink_to("/etc/shadow")
    (boot / "away").symlink_to(tmp_path)
    (boot / "vmlinuz").symlink_to("kernel8.img")
    (boot / "config.txt").symlink_to(tmp_path / "shadow.img")
    (boot / "cmdline.txt").symlink_to("/etc/hostname")
    seen = read_boot(boot)
    assert seen.files == {
        "kernel8.img": boot / "kernel8.img",
        "vmlinuz": boot / "kernel8.img",
        "overlays/a.dtbo": boot / "overlays" / "a.dtbo",
    }
    assert (seen.whole, seen.config, seen.cmdline) == (frozenset(), "", "")


def test_a_file_closed_to_others_is_told_and_its_folder_not_linked_whole(tmp_path: Path) -> None:
    boot = make(
        tmp_path / "boot", "overlays/a.dtbo", "overlays/b.dtbo", "dtb/c.dtb", "hidden/.git/x.img", "hidden/y.img"
    )
    (boot / "overlays" / "b.dtbo").chmod(0o600)
    (boot / "dtb").chmod(0o700)
    seen = read_boot(boot)
    assert seen.closed == ("overlays/b.dtbo",)
    assert seen.whole == frozenset()
    assert "hidden/.git/x.img" not in seen.files


@pytest.mark.parametrize("machine", [node(0), pxe(0)])
def test_an_image_that_cannot_boot_is_told(machine: object, tmp_path: Path) -> None:
    with pytest.raises(BadImage):
        boot_files(plan(), machine, BootFolder(path=tmp_path, files={}), NFS)  # type: ignore[arg-type]
