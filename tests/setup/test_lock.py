"""The lock files hold what pyproject.toml asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from master_setup.lockfile import FOLDER, GPIO, LOCKS, RUN, Lock, Pinned, normal, parse, read_lock, render
from master_setup.pinning import ROOT, TARGETS, wanted
from master_setup.targets import BEST_EFFORT


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_satisfies_pyproject(name: str) -> None:
    pinned = {one.name: one.version for one in read_lock(FOLDER / name).packages}
    for text in wanted(ROOT / "pyproject.toml")[name]:
        requirement = Requirement(text)
        version = pinned.get(normal(requirement.name))
        assert version is not None, f"{text} is not in {name}: run make lock"
        assert requirement.specifier.contains(version), f"{name} has {version} for {text}: run make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes(name: str) -> None:
    lock = read_lock(FOLDER / name)
    assert lock.packages
    assert all(one.hashes for one in lock.packages)


def test_only_best_effort_machines_lack_wheels() -> None:
    lock = read_lock(FOLDER / RUN)
    assert {target.name for target in TARGETS if not lock.complete(target.name)} <= {
        target.name for target in TARGETS if target.arch in BEST_EFFORT
    }


def test_rpi_gpio_is_locked_nowhere() -> None:
    """It and rpi-lgpio overwrite each other."""
    assert "rpi-lgpio" in {one.name for one in read_lock(FOLDER / GPIO).packages}
    assert not any(one.name == "rpi-gpio" for name in LOCKS for one in read_lock(FOLDER / name).packages)


_names = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
_hashes = st.frozensets(st.integers(0, 2**256 - 1).map("{:064x}".format), min_size=1, max_size=3)
_packages = st.dictionaries(_names, st.tuples(st.from_regex(r"[0-9]+(\.[0-9]+)*", fullmatch=True), _hashes), max_size=4)
_missing = st.dictionaries(_names, st.lists(_names, min_size=1, max_size=3).map(tuple), max_size=2)


@given(_packages, _missing)
def test_what_is_rendered_is_read(
    packages: dict[str, tuple[str, frozenset[str]]], missing: dict[str, tuple[str, ...]]
) -> None:
    pinned = tuple(Pinned(name=n, version=v, hashes=h) for n, (v, h) in sorted(packages.items()))
    lock = Lock(packages=pinned, missing=missing)
    assert parse(render(lock, title="A title.")) == lock
