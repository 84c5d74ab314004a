"""A writable copy of a root file system in milliseconds: an overlay in the run's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab.run import Run


def overlay(run: Run, lower: Path, name: str) -> Path:
    """Mount an overlay on ``lower`` that is gone with the run; it can be exported over NFS."""
    base = run.folder(f"overlays/{name}")
    for part in ("upper", "work", "merged"):
        (base / part).mkdir()
    options = f"lowerdir={lower},upperdir={base}/upper,workdir={base}/work,index=on,nfs_export=on,redirect_dir=on"
    merged = base / "merged"
    subprocess.run(("mount", "-t", "overlay", "-o", options, f"lab-{run.id}-{name}", merged), check=True)
    return merged
