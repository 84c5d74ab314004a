"""The wheelhouse: filled once, found complete afterwards, healed where a file is not what the lock says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from graped.errors import CommandFailed, NotFound
from graped.runner import Output
from master_setup import lockfile, sources, wheels
from master_setup.lockfile import GPIO, RUN, read_lock
from master_setup.pip import Pip
from master_setup.targets import Target, this_arch

SOURCE = Path(__file__).parents[2]
AMD64 = Target(python="3.11", arch="amd64")


class Index:
    """pip with an index behind it: ``download`` makes a file for each package that is asked for."""

    def __init__(self, lacks: str = "") -> None:
        self.lacks, self.asked = lacks, 0

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        options = dict(word.split("=", 1) for word in argv if word.startswith("--") and "=" in word)
        assert argv[3:6] == ("download", "--no-deps", "--require-hashes"), argv
        self.asked += 1
        for line in Path(options["--requirement"]).read_text().splitlines():
            name, version = re.match(r"(\S+)==(\S+) --hash=sha256:", line).groups()  # type: ignore[union-attr]
            if name != self.lacks:
                Path(options["--dest"], f"{name.replace('-', '_')}-{version}-py3-none-any.whl").write_text(line)
        return Output(code=0, stdout="")


def test_a_second_call_asks_no_index(tmp_path: Path) -> None:
    index = Index()
    wheels.collect(tmp_path, AMD64, Pip(index))
    assert len(list(tmp_path.glob("*.whl"))) == sum(
        len(read_lock(lockfile.FOLDER / n).packages) for n in lockfile.LOCKS
    )
    before = index.asked
    wheels.collect(tmp_path, AMD64, Pip(index))
    assert index.asked == before == len(lockfile.LOCKS)


def test_a_spoilt_wheel_is_fetched_again(tmp_path: Path) -> None:
    index = Index()
    wheels.collect(tmp_path, AMD64, Pip(index))
    (spoilt,) = tmp_path.glob("click-*.whl")
    whole = spoilt.read_text()
    spoilt.write_text("half a whe")
    wheels.collect(tmp_path, AMD64, Pip(index))
    assert spoilt.read_text() == whole
    assert index.asked == len(lockfile.LOCKS) + 1


def test_a_wheel_that_is_not_there_is_an_error_and_leaves_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="wheels for cp311-amd64"):
        wheels.collect(tmp_path, AMD64, Pip(Index(lacks="click")))
    assert not list(tmp_path.glob(f".*{RUN}"))
    assert not list(tmp_path.glob(".fetch-*"))


def test_python_3_13_takes_gpio_from_debian(tmp_path: Path) -> None:
    wheels.collect(tmp_path, Target(python="3.13", arch="arm64"), Pip(Index()))
    assert not list(tmp_path.glob(f".*{GPIO}"))
    assert not list(tmp_path.glob("lgpio*"))


def test_a_copy_of_the_source_says_the_version_it_was_given(tmp_path: Path) -> None:
    sources.copy(SOURCE, tmp_path / "tree", "9.8.7")
    assert sources.version_of(tmp_path / "tree") == "9.8.7"
    assert '__version__ = "9.8.7"' in (tmp_path / "tree/graped/__init__.py").read_text()
    assert sources.version_of(SOURCE) != "9.8.7"


def test_the_digest_follows_content_and_version(tmp_path: Path) -> None:
    sources.copy(SOURCE, tmp_path)
    first = sources.digest(tmp_path)
    assert first == sources.digest(SOURCE)
    assert first != sources.digest(tmp_path, "9.8.7")
    (tmp_path / "graped/clock.py").write_text("changed")
    assert first != sources.digest(tmp_path)


def test_the_umask_of_a_checkout_changes_nothing(tmp_path: Path) -> None:
    sources.copy(SOURCE, tmp_path)
    first = sources.digest(tmp_path)
    for path in (tmp_path / "graped/clock.py", tmp_path / "master_setup/install"):
        path.chmod(path.stat().st_mode & 0o700)
    assert sources.digest(tmp_path) == first
    again = tmp_path / "again"
    sources.copy(tmp_path, again)
    assert (again / "graped/clock.py").stat().st_mode & 0o777 == 0o644
    assert (again / "master_setup/install").stat().st_mode & 0o777 == 0o755


def test_an_unknown_machine_is_said() -> None:
    with pytest.raises(NotFound, match=r"Python 3\.9 on amd64"):
        Target(python="3.9", arch="amd64")
    assert this_arch() in ("amd64", "arm64", "armhf")
