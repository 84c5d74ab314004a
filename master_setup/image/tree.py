"""A Debian root tree or tar by mmdebstrap, out of the package cache: the build itself uses no network."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from graped.errors import CommandFailed, CommandTimeout
from graped.runner import LineRunner
from master_setup.image import additions, foreign, native, unsynced
from master_setup.image.cache import Cache, Fetched
from master_setup.image.progress import Installing, Progress, Tell
from master_setup.image.recipe import Built, NotBuilt, Recipe, TreeCopy, TreeFile, TreeLink
from master_setup.image.workshop import workshop

__all__ = ("Built", "Cache", "NotBuilt", "Progress", "Recipe", "TreeCopy", "TreeFile", "TreeLink", "build_tree")

BUILD_S: Final = 6 * 3600.0  # emulated, on a Raspberry Pi, with a long list of packages
TOLD: Final = 300  # characters of a complaint
# What mounts and starts things ends with us, also where we are killed; its mounts are its own.
_DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
_ALONE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_MERGED_USR: Final = "/usr/share/mmdebstrap/hooks/merged-usr"
_SOURCES: Final = "/etc/apt/sources.list.d/debian.sources"
_LEFT_OUT: Final = "/etc/dpkg/dpkg.cfg.d/grape"
# What maintainer scripts leave that differs each time, and settings of the build alone.
_REMOVED: Final = (
    "etc/apt/sources.list", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock",
    "var/cache/debconf/config.dat-old", "var/cache/debconf/templates.dat-old", "var/lib/dpkg/status-old",
    "var/lib/dpkg/available", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old", "var/log/bootstrap.log",
    "var/log/btmp", "var/log/wtmp", "var/log/lastlog", "var/log/faillog",
)  # fmt: skip


def build_tree(
    recipe: Recipe,
    into: Path | int,
    cache: Cache,
    runner: LineRunner,
    tell: Tell = lambda _: None,
    env: Mapping[str, str] = os.environ,
) -> Built:
    """Build a recipe into a new folder, a file that ends in .tar, or (a number) a descriptor that gets a tar.

    What is there at the end is whole; where anything fails, or the caller is interrupted, nothing is there. Same
    packages and same SOURCE_DATE_EPOCH (else: the date of the package lists) give the same tree.
    Root is needed, but for a tar where user namespaces allow it. Raises: NotBuilt, CommandFailed.
    """
    as_root = os.geteuid() == 0
    faster = as_root and native.helps(recipe.arch)
    _check(recipe, into, runner, as_root=as_root)
    fetched = cache.fetch(recipe, runner, tell)
    near = into.absolute().parent if isinstance(into, Path) else cache.folder  # /tmp is small on many machines
    beside = near if as_root else None  # the users of a namespace may be shut out there
    epoch = int(env.get("SOURCE_DATE_EPOCH") or fetched.epoch)
    with workshop(beside, runner, as_root=as_root) as work:
        repository = fetched.folder if as_root else _copied(fetched, work / "repository")
        target = work / "made"
        words = [
            *_words(recipe, fetched, work, epoch, as_root=as_root, faster=faster),
            f"--format={'directory' if _is_folder(into) else 'tar'}",
            recipe.suite,
            "-" if isinstance(into, int) else str(target),
            f"deb [trusted=yes] copy:{quote(str(repository))} {fetched.index}",  # each hash in it was signed by Debian
        ]
        hearing = Installing(tell, len(fetched.packages))
        tell(Progress(phase="install", total=len(fetched.packages), unit="packages"))
        try:
            runner.run(
                tuple(words),
                timeout_s=BUILD_S,
                env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": str(work), **(native.env() if faster else {})},
                on_line=hearing.hear,
                stdout=into if isinstance(into, int) else None,
            )
        except CommandTimeout:
            raise
        except CommandFailed as error:
            why = " / ".join(line[:TOLD] for line in hearing.complaints[:3]) or error.detail
            raise NotBuilt(f"the packages cannot be installed: {why}") from error
        if isinstance(into, Path):
            if _is_folder(into):
                clamp_times(target, epoch)
            target.rename(into)
    return Built(packages=fetched.packages, epoch=epoch)


def clamp_times(tree: Path, epoch: int) -> None:
    """Let nothing in a tree be newer than ``epoch``; links are not followed."""
    for folder, folders, files in os.walk(tree, topdown=False):
        for path in (*(os.path.join(folder, name) for name in (*files, *folders)), folder):
            if os.lstat(path).st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)


def _check(recipe: Recipe, into: Path | int, runner: LineRunner, *, as_root: bool) -> None:
    """Find what would stop the build before anything is fetched. Raises: NotBuilt."""
    if shutil.which("mmdebstrap") is None:
        raise NotBuilt("mmdebstrap is not installed", hint="sudo apt install mmdebstrap")
    if isinstance(into, Path) and os.path.lexists(into):
        raise NotBuilt(f"{into} is there already", hint="Remove it, or choose another name.")
    if not as_root and _is_folder(into):
        raise NotBuilt("a folder with all its owners needs root", hint="Use sudo, or have a tar built.")
    if not as_root and shutil.which("newuidmap") is None:
        raise NotBuilt("without root, newuidmap is needed", hint="Use sudo, or: sudo apt install uidmap")
    foreign.check(recipe.arch, runner)


def _words(recipe: Recipe, fetched: Fetched, work: Path, epoch: int, *, as_root: bool, faster: bool) -> list[str]:
    """Give mmdebstrap's command line but for what is made and out of what."""
    names = (*recipe.packages, *fetched.required, *fetched.local)
    words = [*_DIES_WITH_US, *((*_ALONE, *unsynced.COMMAND) if as_root else ()), "mmdebstrap", "--verbose"]
    words += ["--skip=check/signed-by"]  # the repository is trusted: each file in it was judged
    words += [f"--mode={'root' if as_root else 'unshare'}", "--variant=apt", f"--architectures={recipe.arch}"]
    words += [f"--include={','.join(dict.fromkeys(names))}", f"--hook-dir={_MERGED_USR}"]
    words += [
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=force-confdef",
        "--dpkgopt=force-confold",
    ]  # files that came early are kept
    words += [*(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.left_out)]
    words += [f"--extract-hook={native.EARLY}", f"--essential-hook={native.PUT}"] if faster else []
    if recipe.early:
        additions.write_tar(recipe.early, work / "early.tar", epoch)
        words += [f"--essential-hook={_unpack(work / 'early.tar')}"]
    late = [TreeFile(path=_SOURCES, content=fetched.tree_sources.encode())]
    if recipe.left_out:
        lines = "".join(f"path-exclude={pattern}\n" for pattern in recipe.left_out)
        late += [TreeFile(path=_LEFT_OUT, content=lines.encode())]
    additions.write_tar((*late, *recipe.files), work / "files.tar", epoch)
    words += [f"--customize-hook={_unpack(work / 'files.tar')}"]
    words += [f"--customize-hook={native.INITRD}"] if faster else []
    words += [f'--customize-hook=chroot "$1" {shlex.join(hook)}' for hook in recipe.hooks]
    words += [f"--customize-hook={native.TAKE}"] if faster else []
    return [*words, f'--customize-hook=cd "$1" && rm -f {" ".join(_REMOVED)}']


def _unpack(tar: Path) -> str:
    """Say how a tar is unpacked inside the new root, by its own tar."""
    return f'chroot "$1" tar --extract --file=- --numeric-owner --same-permissions < {shlex.quote(str(tar))}'


def _is_folder(into: Path | int) -> bool:
    return isinstance(into, Path) and into.suffix != ".tar"


def _copied(fetched: Fetched, into: Path) -> Path:
    """Put the packages where the users of a namespace can read them: nobody's home is open to those."""
    for name in (*fetched.files, f"{fetched.index}Packages", f"{fetched.index}Release"):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fetched.folder / name, into / name)
    return into
