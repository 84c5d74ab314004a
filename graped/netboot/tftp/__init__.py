"""What each node is sent before its kernel runs: links to its image's boot files, and a few files of its own."""

from graped.netboot.tftp.boot import BootFolder, loaders_in, read_boot
from graped.netboot.tftp.folders import apply_folder, keep_only, remove_folder, unreadable
from graped.netboot.tftp.plan import FolderPlan, boot_files

__all__ = [
    "BootFolder",
    "FolderPlan",
    "apply_folder",
    "boot_files",
    "keep_only",
    "loaders_in",
    "read_boot",
    "remove_folder",
    "unreadable",
]
