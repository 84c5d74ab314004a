"""A master's image, built as a user would, but offline: packages are fetched once, images made for each source."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.runner import SubprocessRunner
from master_setup import sources, wheels
from master_setup.image import master, program, system
from master_setup.image.recipe import Recipe
from master_setup.image.tree import Cache
from master_setup.image.wishes import Wishes
from tests.lab.cache import cached, key_of

PYTHON: Final = "3.11"  # of Debian 12
NAME: Final = "grape.img.xz"
USER: Final = "mary"
BUILD_S: Final = 1500.0
# What is asked for: by the lab in vain, because a build as small as it may be has everything that boots and answers.
OPTIONS: Final = (
    "--packages", "minimal", "--compress", "0", "--hostname", "grape", "--timezone", "Europe/Berlin",
    "--interface", "eth0", "--address", "10.77.0.1/24",
)  # fmt: skip
ASKED: Final = Wishes(
    user=USER, ssh_keys=("-",), full=False, timezone="Europe/Berlin", interface="eth0", address="10.77.0.1/24"
)


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


def packages() -> Path:
    """Give the cache of Debian's packages for it; filled from this machine's own apt sources, once."""
    recipe = Recipe(
        suite=ASKED.suite, arch=master.ARCH, packages=system.packages(ASKED, program.needed(ASKED)),
        components=system.COMPONENTS,
    )  # fmt: skip
    key = key_of(*recipe.packages, recipe.suite, *recipe.components)
    return cached("image-packages", key, lambda into: _fetch(into, recipe))


def master_image() -> MasterImage:
    """Build it where this state of the source has none yet."""
    wheelhouse = wheels.wheelhouse(arch=master.ARCH, pythons=(PYTHON,)).parent
    store = packages()
    key = key_of(sources.digest(wheels.ROOT, ""), store.name, *OPTIONS)
    return MasterImage(folder=cached("master-image", key, lambda into: _build(into, wheelhouse, store)))


def _fetch(into: Path, recipe: Recipe) -> None:
    Cache(into).fetch(recipe, SubprocessRunner(), lambda _: None)


def _build(into: Path, wheelhouse: Path, store: Path) -> None:
    key = into / "id"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key), check=True)
    words = (sys.executable, "-m", "master_setup.image", "master", "--out", into / NAME, "--user", USER)
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
