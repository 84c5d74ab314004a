"""Programs of other architectures run here as they are: what a machine does at its start, done where nothing did it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/proc/sys/fs/binfmt_misc")
NAMES: Final = ("qemu-aarch64", "qemu-arm")


def register() -> str:
    """Have the kernel start arm programs by QEMU where it can and is not told yet; say what stands in the way."""
    if not (FOLDER / "register").exists():
        mounted = subprocess.run(
            ("mount", "-t", "binfmt_misc", "binfmt_misc", FOLDER), capture_output=True, check=False
        )
        if mounted.returncode:
            return f"this kernel has no binfmt_misc: {mounted.stderr.decode().strip()}"
    if shutil.which("update-binfmts") is None:
        return "there is no update-binfmts: install binfmt-support and qemu-user-static"
    for name in NAMES:
        if not (FOLDER / name).exists():
            subprocess.run(("update-binfmts", "--enable", name), capture_output=True, check=False)
    lacking = [name for name in NAMES if not (FOLDER / name).exists()]
    return f"{', '.join(lacking)} did not register" if lacking else ""
