"""The cache with a real apt and a made-up archive: what it fetches, keeps, and refuses to give out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from graped.runner import SubprocessRunner
from master_setup.image.cache import KEPT_S, Cache, Fetched
from master_setup.image.progress import Progress
from master_setup.image.recipe import NotBuilt, Recipe
from tests.setup.image.archive import Archive, build_deb

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="needs apt and dpkg: a Debian"
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "archive")
    archive.add("shell", "5.2", "Depends: readline (>= 8)\n")
    archive.add("readline", "8.2-1")
    return archive


def fetch(cache: Cache, archive: Archive, packages: Sequence[str] = ("shell",), debs: Sequence[Path] = ()) -> Fetched:
    recipe = Recipe(
        suite="bookworm", arch="amd64", packages=tuple(packages), sources=archive.source, debs=tuple(debs)
    )  # fmt: skip
    return cache.fetch(recipe, SubprocessRunner(), lambda _: None)


def offline(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", offline=True)


def names(fetched: Fetched) -> set[str]:
    return {package.name for package in fetched.packages}


def test_a_recipe_is_fetched_with_what_it_depends_on(tmp_path: Path, archive: Archive) -> None:
    told: list[Progress] = []
    cache = Cache(tmp_path / "cache")
    recipe = Recipe(suite="bookworm", arch="amd64", packages=("shell",), sources=archive.source)
    fetched = cache.fetch(recipe, SubprocessRunner(), told.append)
    assert names(fetched) == {"base", "pam", "usr-is-merged", "shell", "readline"}
    assert set(fetched.required) == {"base", "pam"}
    assert fetched.epoch == 1735689600  # the archive's date
    for file in fetched.files:
        assert (fetched.folder / file).is_file()
    assert {one.phase for one in told} >= {"lists", "resolve", "check"}
    index = (fetched.folder / fetched.index / "Packages").read_text()
    assert "Filename: archives/pam_1%3a2.0~rc1+b2_all.deb" in index


def test_offline_the_same_is_there_and_less_too(tmp_path: Path, archive: Archive) -> None:
    made = fetch(Cache(tmp_path / "cache"), archive)
    archive.remove()
    assert fetch(offline(tmp_path), archive) == made
    assert names(fetch(offline(tmp_path), archive, ("readline",))) == {"base", "pam", "usr-is-merged", "readline"}


def test_offline_what_is_missing_is_named(tmp_path: Path, archive: Archive) -> None:
    with pytest.raises(NotBuilt, match="has no package lists of bookworm for amd64"):
        fetch(offline(tmp_path), archive)
    fetch(Cache(tmp_path / "cache"), archive, ())
    with pytest.raises(NotBuilt, match=r"2 packages are not in the cache .*: readline=8.2-1, shell=5.2") as caught:
        fetch(offline(tmp_path), archive)
    assert caught.value.hint


def test_a_damaged_file_is_never_given_out(tmp_path: Path, archive: Archive) -> None:
    cache = Cache(tmp_path / "cache")
    fetch(cache, archive)
    damaged = tmp_path / "cache/archives/shell_5.2_all.deb"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1  # the size stays: apt itself would take it
    damaged.write_bytes(data)
    with pytest.raises(NotBuilt, match=r"1 packages are not in the cache .*: shell=5.2"):
        fetch(offline(tmp_path), archive)
    fetch(cache, archive)
    assert damaged.stat().st_size == len(data)
    assert damaged.read_bytes() != bytes(data)


def test_an_archive_that_lies_is_not_believed(tmp_path: Path, archive: Archive) -> None:
    deb = archive.folder / "shell_5.2_all.deb"
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.write_bytes(data)
    with pytest.raises(NotBuilt):
        fetch(Cache(tmp_path / "cache"), archive)


def test_an_upgrade_in_the_archive_is_taken(tmp_path: Path, archive: Archive) -> None:
    cache = Cache(tmp_path / "cache")
    old = fetch(cache, archive)
    archive.add("readline", "8.3-1")
    new = fetch(cache, archive)
    assert next(one.version for one in new.packages if one.name == "readline") == "8.3-1"
    assert new.index != old.index


def test_package_files_of_this_machine_bring_what_they_depend_on(tmp_path: Path, archive: Archive) -> None:
    (tmp_path / "own").mkdir()
    own = build_deb(tmp_path / "own", "grape", "0:1.5", "Depends: shell\n")
    fetched = fetch(Cache(tmp_path / "cache"), archive, (), (own,))
    assert names(fetched) == {"base", "pam", "usr-is-merged", "shell", "readline", "grape"}
    assert fetched.local == ("grape",)
    assert fetched.folder / "archives/grape_0%3a1.5_all.deb" in [fetched.folder / file for file in fetched.files]
    archive.remove()
    assert fetch(offline(tmp_path), archive, (), (own,)) == fetched


def test_a_name_that_nobody_has_is_told(tmp_path: Path, archive: Archive) -> None:
    with pytest.raises(NotBuilt, match="vmi") as caught:
        fetch(Cache(tmp_path / "cache"), archive, ("vmi",))
    assert "--component" in caught.value.hint


def test_an_archive_that_is_away_is_told_with_the_way_out(tmp_path: Path, archive: Archive) -> None:
    archive.remove()
    with pytest.raises(NotBuilt, match="lists cannot be fetched") as caught:
        fetch(Cache(tmp_path / "cache"), archive)
    assert "--offline" in caught.value.hint


def test_what_nobody_uses_any_more_goes(tmp_path: Path, archive: Archive) -> None:
    cache = Cache(tmp_path / "cache")
    fetch(cache, archive)
    old = time.time() - KEPT_S - 60
    for name in ("archives/shell_5.2_all.deb", "archives/readline_8.2-1_all.deb"):
        os.utime(tmp_path / "cache" / name, (old, old))
    fetch(cache, archive, ("readline",))  # used just now: it stays
    left = {path.name for path in (tmp_path / "cache/archives").glob("*.deb")}
    assert "shell_5.2_all.deb" not in left
    assert "readline_8.2-1_all.deb" in left
