"""The TFTP folder of one node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graped.config.types import Model
from graped.errors import BadImage
from graped.netboot.console import kernel_words
from graped.netboot.dhcp.render import SCRIPT
from graped.netboot.plan import NetPlan, NodePlan
from graped.netboot.tftp import ipxe, words
from graped.netboot.tftp.boot import BootFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlan:
    """What a node finds: ``links`` (name -> target) and ``files`` (name -> text), names may have one folder or more."""

    mac: str
    serial: str | None = None
    links: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name below the TFTP root, as dnsmasq's ``tftp-unique-root=mac`` has it."""
        return self.mac.replace(":", "-")


def boot_files(
    plan: NetPlan,
    node: NodePlan,
    boot: BootFolder,
    nfs_path: Path,
    *,
    ephemeral: bool = False,
    private: Path | None = None,
    loaders: Mapping[str, Path] | None = None,
) -> FolderPlan:
    """Lay out what a node boots from: its image's ``boot``, its root at ``nfs_path`` (on the master, as exported).

    ``ephemeral``: that root is read-only, changes stay in the node, and its own files come from ``private``.
    ``loaders``: what PCs without an iPXE of their own load first.
    Raises: BadImage where the image cannot boot, ServerError where ``nfs_path`` cannot be told.
    """
    line = words.kernel_words(
        boot.cmdline,
        server=plan.master.ip,
        nfs_path=nfs_path,
        ephemeral=ephemeral,
        private=private,
        console=() if plan.receiver is None else kernel_words(plan.receiver, node.address),
        more=plan.kernel_args,
    )
    if node.model is Model.PXE:
        chosen = ipxe.choose(boot.files)
        names = [name for name in (chosen.kernel, chosen.initrd) if name]
        links = {name: boot.files[name] for name in names} | dict(loaders or {})
        return FolderPlan(mac=node.mac, serial=node.serial, links=links, files={SCRIPT: ipxe.script(chosen, line)})
    if not boot.files:
        raise BadImage(f"the image has no boot files in {boot.path}", hint="Import an image that a Raspberry Pi boots.")
    own = {
        words.CONFIG: words.config_txt(boot.config, boot.files, plan.config_txt),
        words.cmdline_name(boot.config): line + "\n",
    }
    return FolderPlan(mac=node.mac, serial=node.serial, links=_links(boot, own), files=own)


def _links(boot: BootFolder, own: Mapping[str, str]) -> dict[str, Path]:
    """Link whole folders where that serves the same, single files elsewhere."""
    whole = boot.whole - {name.partition("/")[0] for name in own}
    single = {
        name: target for name, target in boot.files.items() if name not in own and name.partition("/")[0] not in whole
    }
    return single | {name: boot.path / name for name in whole}
