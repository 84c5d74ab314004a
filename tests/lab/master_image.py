"""A master's image, built as a user would, but offline: packages are fetched once, images made for each source."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from master_setup import sources, wheels
from master_setup.image.master import ARCH
from tests.lab.cache import cached, key_of
from tests.lab.packages import MASTER, master_packages

PYTHON: Final = "3.11"  # of Debian 12
NAME: Final = "grape.img.xz"
BUILD_S: Final = 3000.0
# The short list, and little effort of xz: the same steps as ever, in minutes.
OPTIONS: Final = (
    "--packages", "minimal", "--compress", "0", "--hostname", "grape", "--timezone", MASTER.timezone,
    "--interface", MASTER.interface, "--address", MASTER.address,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterImage:
    """What ``grape-image master`` has made."""

    folder: Path

    @property
    def image(self) -> Path:
        """The packed image; checksum and block map are beside it."""
        return self.folder / NAME

    @property
    def key(self) -> Path:
        """The private SSH key that its user logs in with."""
        return self.folder / "id"

    @property
    def said(self) -> str:
        """What the build has told: packages, phases, seconds."""
        return (self.folder / "build.log").read_text()


def master_image() -> MasterImage:
    """Build it where this state of the source has none yet."""
    wheelhouse = wheels.wheelhouse(arch=ARCH, pythons=(PYTHON,)).parent
    store = master_packages()
    key = key_of(sources.digest(wheels.ROOT, ""), store.name, *OPTIONS)
    return MasterImage(folder=cached("master-image", key, lambda into: _build(into, wheelhouse, store)))


def _build(into: Path, wheelhouse: Path, store: Path) -> None:
    key = into / "id"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key), check=True)
    words = (sys.executable, "-m", "master_setup.image", "master", "--out", into / NAME, "--user", MASTER.user)
    words = (*words, "--ssh-key", key.with_suffix(".pub"), "--wheelhouse", wheelhouse, "--cache", store, "--offline")
    started_s = time.monotonic()
    with (into / "build.log").open("w") as log:
        done = subprocess.run(
            (*words, *OPTIONS, "--progress", "lines"), cwd=wheels.ROOT, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, check=False, timeout=BUILD_S,
        )  # fmt: skip
        log.write(f"ended with {done.returncode} after {time.monotonic() - started_s:.0f} s\n")
    if done.returncode:
        raise RuntimeError(f"the image was not built:\n{(into / 'build.log').read_text()[-3000:]}")


def image() -> Path:
    """Build it, and tell where it is."""
    return master_image().image
