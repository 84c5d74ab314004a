"""``make wheelhouse``: a folder with every locked wheel and Grape's own, so that a master is installed offline.

The folder is flat, for ``pip install --no-index --find-links``; the lock files lie beside the wheels. It may hold
wheels for several Pythons and architectures at once. A second call finds all in place and asks no index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from graped.errors import CommandFailed, GrapeError
from graped.files import write_atomic
from graped.runner import SubprocessRunner
from master_setup import sources
from master_setup.lockfile import FOLDER, GPIO, LOCKS, Lock, read_lock
from master_setup.pip import Pip
from master_setup.targets import MACHINES, PYTHONS, Target, this_arch

ROOT = FOLDER.parent
PLACE = ROOT / "build" / "wheelhouse"
BUILD_TIMEOUT_S = 120.0


def wheelhouse(
    into: Path = PLACE,
    *,
    arch: str,
    pythons: Iterable[str] = PYTHONS,
    version: str = "",
    source: Path = ROOT,
    pip: Pip | None = None,
) -> Path:
    """Have everything in ``into``; return Grape's own wheel there (with ``version``, if given, instead of its own).

    Raises CommandFailed where pip cannot fetch a wheel, or one is not what the lock says.
    """
    pip = pip or Pip()
    into.mkdir(parents=True, exist_ok=True)
    for python in pythons:
        collect(into, Target(python=python, arch=arch), pip)
    for name in LOCKS:
        write_atomic(into / name, (FOLDER / name).read_bytes())
    _prune(into)
    return own_wheel(into, version=version, source=source)


def collect(into: Path, target: Target, pip: Pip) -> None:
    """Have the locked wheels for one machine in ``into``. What has no wheel for it is left out, and said."""
    for name in LOCKS:
        lock = read_lock(FOLDER / name)
        stamp = into / f".{target.name}.{name}"
        if (name == GPIO and target.python != "3.11") or _in_place(into, stamp, FOLDER / name):
            continue
        with tempfile.TemporaryDirectory(dir=into, prefix=".fetch-") as room:
            _fetch(Path(room), target, lock, pip)
            said = [_digest(FOLDER / name)]
            for wheel in sorted(Path(room).glob("*.whl")):
                said.append(f"{_digest(wheel)} {wheel.name}")
                os.replace(wheel, into / wheel.name)
        write_atomic(stamp, "\n".join(said) + "\n")


def own_wheel(into: Path, *, version: str = "", source: Path = ROOT) -> Path:
    """Build Grape's wheel from a source tree with the setuptools in ``into``; same source, same bytes."""
    stamp = into / ".grape"
    key = sources.digest(source, version)
    for wheel in into.glob("grape-*.whl"):
        if stamp.is_file() and stamp.read_text() == f"{key} {wheel.name} {_digest(wheel)}\n":
            return wheel
    with tempfile.TemporaryDirectory(dir=into, prefix=".build-") as room:
        tree, out = Path(room) / "tree", Path(room) / "out"
        sources.copy(source, tree, version)
        _build(tree, out, setuptools=into)
        (built,) = out.glob("grape-*.whl")
        for old in into.glob("grape-*.whl"):
            old.unlink()
        wheel = into / built.name
        os.replace(built, wheel)
    write_atomic(stamp, f"{key} {wheel.name} {_digest(wheel)}\n")
    return wheel


def _build(tree: Path, out: Path, *, setuptools: Path) -> None:
    """Build as pip does (PEP 517), in a second: pip would make an environment of its own for the locked setuptools."""
    unpacked = tree.parent / "setuptools"
    (wheel,) = setuptools.glob("setuptools-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(unpacked)
    out.mkdir()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or str(sources.DATE)
    env = {"PYTHONPATH": str(unpacked), "SOURCE_DATE_EPOCH": epoch}
    script = (
        "import os, sys; os.umask(0o022); os.chdir(sys.argv[1]); "
        "from setuptools import build_meta as b; b.build_wheel(sys.argv[2])"
    )
    SubprocessRunner().run((sys.executable, "-c", script, str(tree), str(out)), timeout_s=BUILD_TIMEOUT_S, env=env)


def _fetch(room: Path, target: Target, lock: Lock, pip: Pip) -> None:
    """Download one lock's wheels, each checked against it."""
    lacking = lock.missing.get(target.name, ())
    if lacking:
        print(f"{target.name}: there is no wheel of {', '.join(lacking)}", file=sys.stderr)
    lines = [
        " ".join([f"{one.name}=={one.version}", *(f"--hash=sha256:{value}" for value in sorted(one.hashes))])
        for one in lock.packages
        if one.name not in lacking
    ]
    file = room / "wanted"
    file.write_text("\n".join(lines) + "\n")
    pip.run(
        *("download", "--no-deps", "--require-hashes", f"--dest={room}"), *target.pip_options(), f"--requirement={file}"
    )
    found = len(list(room.glob("*.whl")))
    if found != len(lines):
        raise CommandFailed(f"pip fetched {found} wheels for {target.name} where {len(lines)} are locked")


def _in_place(into: Path, stamp: Path, lock: Path) -> bool:
    """Whether what the stamp says is there, whole, and still what the lock says."""
    if not stamp.is_file():
        return False
    head, *entries = stamp.read_text().splitlines()
    if head != _digest(lock):
        return False
    pairs = [entry.split(" ", 1) for entry in entries]
    return all((into / name).is_file() and _digest(into / name) == value for value, name in pairs)


def _prune(into: Path) -> None:
    """Remove wheels of former locks, so that a folder that is copied somewhere holds what is wanted and no more."""
    current = {_digest(FOLDER / name) for name in LOCKS}
    kept: set[str] = set()
    for stamp in into.glob(".cp*.lock"):
        head, *entries = stamp.read_text().splitlines()
        if head in current:
            kept.update(entry.split(" ", 1)[1] for entry in entries)
    for wheel in into.glob("*.whl"):
        if wheel.name not in kept and not wheel.name.startswith("grape-"):
            wheel.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Fill ``build/wheelhouse`` and say where it is."""
    parser = argparse.ArgumentParser(prog="make wheelhouse", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arch", choices=MACHINES, default="", help="of the machine to install (default: this one's)")
    parser.add_argument("--python", choices=PYTHONS, action="append", help="Python there; repeatable (default: all)")
    parser.add_argument("--into", type=Path, default=PLACE, help="the folder (default: build/wheelhouse)")
    parser.add_argument("--version", default="", help="another version for Grape's wheel, to try an upgrade")
    options = parser.parse_args(argv)
    try:
        wheel = wheelhouse(
            options.into,
            arch=options.arch or this_arch(),
            pythons=options.python or PYTHONS,
            version=options.version,
        )
    except GrapeError as error:
        sys.exit(f"{error.detail}\n{error.hint}".rstrip())
    print(wheel)


if __name__ == "__main__":
    main()
