"""``make deb``: lay the files out, with one time and one owner, and have dpkg-deb pack them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from graped.runner import Runner, SubprocessRunner
from master_setup import sources, wheels
from master_setup.deb import contents, control
from master_setup.deb.contents import Member
from master_setup.lockfile import BUILD, LOCKS
from master_setup.steps import STEPS

BUILD_FOLDER: Final = wheels.ROOT / "build"
PACK_S: Final = 300.0
SHORT_S: Final = 30.0


def build(*, arch: str, version: str = "", into: Path = BUILD_FOLDER, runner: Runner | None = None) -> Path:
    """Build the package for an architecture; nothing is compiled, so any machine can. Return the .deb.

    The same source gives the same bytes. Raises CommandFailed, ConfigError.
    """
    runner = runner or SubprocessRunner()
    own = version or sources.version_of(wheels.ROOT)
    house = into / f"wheels-{arch}"
    wheels.wheelhouse(house, arch=arch, version=version)
    time = int(os.environ.get("SOURCE_DATE_EPOCH") or sources.DATE)
    with tempfile.TemporaryDirectory(dir=into, prefix=".deb-") as room:
        tree = Path(room) / "tree"
        tree.mkdir()
        tree.chmod(0o755)
        lay_out(tree, contents.members(wheels.ROOT, completions(runner), own))
        _add_wheels(tree, house)
        depends = control.depends(STEPS, arch)
        text = control.control(version=own, arch=arch, depends=depends, size_kb=_size_kb(tree))
        _tell_dpkg(tree, text)
        _date(tree, time)
        made, out = Path(room) / "grape.deb", into / f"grape_{own}_{arch}.deb"
        options = ("--root-owner-group", "-Zzstd", "-z3")  # the wheels are packed already: xz works long for nothing
        epoch = {"SOURCE_DATE_EPOCH": str(time)}
        runner.run(("dpkg-deb", *options, "--build", str(tree), str(made)), timeout_s=PACK_S, env=epoch)
        os.replace(made, out)
    return out


def completions(runner: Runner) -> Mapping[tuple[str, str], str]:
    """Have the programs write their completion scripts: by program and shell."""
    return {
        (name, shell): runner.run((sys.executable, "-m", name, "completion", shell), timeout_s=SHORT_S).stdout
        for name in contents.COMPLETED
        for shell in contents.COMPLETIONS
    }


def lay_out(tree: Path, members: Iterable[Member]) -> None:
    """Write the files below ``tree``."""
    for member in members:
        path = tree / member.path
        _folder(path.parent, tree)
        if member.target:
            path.symlink_to(member.target)
        else:
            path.write_bytes(member.content)
            path.chmod(member.mode)


def _add_wheels(tree: Path, house: Path) -> None:
    place = tree / contents.WHEELS
    _folder(place, tree)
    for path in sorted([*house.glob("*.whl"), *(house / name for name in LOCKS if name != BUILD)]):
        if not path.name.startswith("setuptools-"):  # it built our wheel, and has nothing to do on a master
            shutil.copyfile(path, place / path.name)
            (place / path.name).chmod(0o644)


def _tell_dpkg(tree: Path, text: str) -> None:
    """Write the control files; the sums before them, for they are of the package's files alone."""
    paths = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    sums = "".join(f"{_md5(path)}  {path.relative_to(tree)}\n" for path in paths)
    folder = tree / "DEBIAN"
    _folder(folder, tree)
    members = [Member(path="control", content=text.encode()), Member(path="md5sums", content=sums.encode())]
    for script in sorted(contents.SCRIPTS.iterdir()):
        mode = 0o644 if script.name == "triggers" else 0o755
        members.append(Member(path=script.name, content=script.read_bytes(), mode=mode))
    lay_out(folder, members)


def _folder(path: Path, top: Path) -> None:
    """Make a folder and those that lead to it, with the mode that all have, whatever the umask."""
    if path != top and not path.is_dir():
        _folder(path.parent, top)
        path.mkdir()
        path.chmod(0o755)


def _date(tree: Path, time: int) -> None:
    for path in sorted(tree.rglob("*"), reverse=True):
        os.utime(path, (time, time), follow_symlinks=False)
    os.utime(tree, (time, time))


def _size_kb(tree: Path) -> int:
    """Estimate what it takes on disk, as policy asks: each file in whole kilobytes, each folder one."""
    sizes = (path.lstat().st_size if not path.is_dir() else 1024 for path in tree.rglob("*"))
    return sum(-(-size // 1024) for size in sizes)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
