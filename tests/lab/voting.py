"""What the images of grape_docker/examples are built on, out of Debian packages: Python and Redis. Made once.

With a network one takes ``python:3-slim`` and ``redis:7`` for it. Packages are only unpacked: nothing in it boots.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.cache import ALONE, cached, key_of
from tests.lab.roots import SUITE, _apt_sources, _left_out  # see tests.lab.debian

PACKAGES: Final = ("python3-minimal", "libpython3-stdlib", "redis-server")
LEFT_OUT: Final = ("/usr/share/bash-completion/*", "/usr/share/perl*", "/usr/lib/systemd/*", "/lib/systemd/systemd*")
MAKE_S: Final = 600.0


def base() -> Path:
    """Give a tar of the tree, as ``docker import`` takes it. It is shared: only read it."""
    key = key_of(SUITE, Path(__file__).read_bytes())
    return cached("voting-base", key, lambda into: _make(into / "base.tar")) / "base.tar"


def _make(tar: Path) -> None:
    words = [*ALONE, "mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"]
    words += [f"--dpkgopt={option}" for option in _left_out()]
    words += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    words += ['--customize-hook=mkdir -p "$1/tmp" "$1/data"', '--customize-hook=rm -rf "$1/var/cache" "$1/var/lib/apt"']
    words += [SUITE, str(tar), *map(str, _apt_sources())]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
