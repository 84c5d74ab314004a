"""Package caches of the image builder, filled once with what a recipe needs: a suite then builds without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graped.runner import SubprocessRunner
from master_setup.image import master, program, slave, system
from master_setup.image.recipe import Recipe
from master_setup.image.tree import Cache
from master_setup.image.wishes import Wishes
from tests.lab.cache import cached, key_of

KERNEL: Final = "linux-image-cloud-amd64"  # no drivers but a virtual machine's: emulated, each one counts
SLAVE: Final = slave.recipe(suite="bookworm", arch="amd64", full=False, kernel=KERNEL)
# What tests.lab.master_image asks for, as far as packages depend on it.
MASTER: Final = Wishes(user="mary", full=False, timezone="Europe/Berlin", interface="eth0", address="10.77.0.1/24")


def packages(name: str, recipe: Recipe) -> Path:
    """Give the folder of a cache that has all that a recipe needs."""
    key = key_of(repr((recipe.suite, recipe.arch, recipe.packages, recipe.components)))

    def make(into: Path) -> None:
        Cache(into).fetch(recipe, SubprocessRunner(), lambda _: None)

    return cached(f"packages-{name}", key, make)


def slave_packages() -> Path:
    """Give the cache for a small slave of this machine's processor."""
    return packages("slave", SLAVE)


def master_packages() -> Path:
    """Give the cache for a small master for a Raspberry Pi."""
    names = system.packages(MASTER, program.needed(MASTER))
    recipe = Recipe(suite=MASTER.suite, arch=master.ARCH, packages=names, components=system.COMPONENTS)
    return packages("master", recipe)
