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
# What neither needs comes along as a dependency of what only installing needs: an image that is small is there sooner.
SLIM: Final = """cd "$1"
mkdir -p tmp data
rm -rf usr/share usr/sbin usr/lib/*/perl* usr/lib/*/libperl* usr/lib/*/gconv lib/systemd usr/lib/systemd var/cache/*
find usr/bin ! -type d ! -name 'python3*' ! -name redis-server ! -name redis-check-rdb -delete
"""
MAKE_S: Final = 600.0


def base() -> Path:
    """Give a tar of the tree, as ``docker import`` takes it. It is shared: only read it."""
    key = key_of(SUITE, Path(__file__).read_bytes())
    return cached("voting-base", key, lambda into: _make(into / "base.tar")) / "base.tar"


def _make(tar: Path) -> None:
    words = [*ALONE, "mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"]
    words += [f"--dpkgopt={option}" for option in _left_out()]
    words += [f"--extract-hook={SLIM}"]
    words += [SUITE, str(tar), *map(str, _apt_sources())]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
