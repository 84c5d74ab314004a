"""The wheels that a machine of the lab installs Grape from: everything that it depends on, and Grape as it is here."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.lab.cache import cached, key_of

SOURCE_TREE: Final = Path(__file__).parents[2]
OURS: Final = "grape-*.whl"
MAKE_S: Final = 600.0


@functools.cache  # a session has one state of the source tree
def wheelhouse() -> Path:
    """Give a folder of wheels for Debian 12's own Python."""
    key = key_of((SOURCE_TREE / "pyproject.toml").read_bytes(), Path(__file__).read_bytes())
    folder = SOURCE_TREE / "build/wheelhouse"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(cached("wheels", key, _needed), folder)
    _pip_wheel(folder, "--no-deps", ".")
    return folder


def _needed(into: Path) -> None:
    _pip_wheel(into, ".[gpio-lgpio]")
    for wheel in into.glob(OURS):
        wheel.unlink()


def _pip_wheel(into: Path, *what: str) -> None:
    words = (sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(into), *what)
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S, cwd=SOURCE_TREE
    )
    if done.returncode:
        raise RuntimeError(f"no wheels:\n{done.stderr[-3000:]}")
