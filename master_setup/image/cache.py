"""A folder that keeps package files and lists, so that a tree is built again without a network.

``archives/`` has the files as apt names them, ``lists/KEY/`` what apt knows of one set of sources and one processor,
``indexes/KEY/`` the small repository of one build: exactly its packages, each with the hash that Debian has signed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Final

from graped.files import remove_tree, write_atomic
from graped.runner import LineRunner
from master_setup.image import sources
from master_setup.image.apt import Apt, Wanted
from master_setup.image.progress import Fetching, Progress, Tell
from master_setup.image.recipe import NotBuilt, Package, Recipe

KEPT_S: Final = 90 * 24 * 3600  # what no build has used for this long is removed
NAMES_TOLD: Final = 8
_SHORT_S: Final = 60.0
_FIELD: Final = re.compile(r"(?m)^([A-Za-z0-9-]+): (.*)$")


def default_folder() -> Path:
    """Where the cache is: for root, the machine's; for others, their own."""
    if os.geteuid() == 0:
        return Path("/var/cache/grape/image")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grape/image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """All that a recipe needs is in the cache: ``folder`` with the repository ``index`` in it."""

    folder: Path
    index: str  # below the folder, with a final slash: a flat repository, as sources.list(5) has it
    files: tuple[str, ...]  # of packages, below the folder
    packages: tuple[Package, ...]
    required: tuple[str, ...]  # names of those that every system has beyond the essential ones
    local: tuple[str, ...]  # names of the packages that were files of this machine
    epoch: int  # when the lists were made, in seconds
    tree_sources: str  # what the built system asks for packages later (deb822)


class Cache:
    """``offline``: nothing is fetched; what is not there is an error that names it."""

    def __init__(self, folder: Path, *, offline: bool = False) -> None:
        self.folder = folder.absolute()
        self.offline = offline

    def fetch(self, recipe: Recipe, runner: LineRunner, tell: Tell) -> Fetched:
        """Have everything that a recipe needs in the cache, each file with its right hash. Raises: NotBuilt."""
        chosen = tuple(sources.parse(recipe.sources)) if recipe.sources else ()
        chosen = chosen or sources.debian(sources.read(), recipe.suite, recipe.components)
        text = "\n".join(one.text() for one in chosen)
        key = hashlib.sha256(f"{text}\0{recipe.arch}".encode()).hexdigest()[:12]
        with self._locked():
            apt = Apt(self.folder / "lists" / key, self.folder / "archives", recipe.arch, text, runner)
            self._update(apt, recipe, tell)
            names = (*recipe.packages, *(str(path.absolute()) for path in recipe.debs))
            tell(Progress(phase="resolve"))
            wanted = [one for one in apt.resolve(names) if not one.uri.startswith("file:")]
            self._complete(apt, names, wanted, tell)
            local = [self._taken(path, runner) for path in recipe.debs]
            stanzas = [*_with_files(apt.stanzas(wanted), wanted), *local]
            epoch = apt.moment() or int(time.time())
            os.utime(apt.folder)
            index = self._index(stanzas, epoch)
            self._forget()
        return Fetched(
            folder=self.folder,
            index=f"indexes/{index}/",
            files=tuple(f"archives/{_field(stanza, 'Filename')[9:]}" for stanza in stanzas),
            packages=tuple(sorted(map(_package, stanzas), key=lambda one: one.name)),
            required=tuple(_field(one, "Package") for one in stanzas if _field(one, "Priority") == "required"),
            local=tuple(_field(one, "Package") for one in local),
            epoch=epoch,
            tree_sources=sources.for_tree(chosen) or sources.official(recipe.suite, recipe.components),
        )

    def _update(self, apt: Apt, recipe: Recipe, tell: Tell) -> None:
        tell(Progress(phase="lists"))
        if not self.offline:
            apt.update()
        elif not apt.has_lists:
            raise NotBuilt(
                f"the cache {self.folder} has no package lists of {recipe.suite} for {recipe.arch} from these sources",
                hint="Build once with the network, with the same --suite, --arch and --component.",
            )

    def _complete(self, apt: Apt, names: Sequence[str], wanted: Sequence[Wanted], tell: Tell) -> None:
        """Fetch what is missing or damaged, and look at everything once more."""
        missing = list(self._missing(wanted, tell))
        if not missing:
            return
        if self.offline:
            raise NotBuilt(
                f"{len(missing)} packages are not in the cache {self.folder}: {_some(one.exact for one in missing)}",
                hint="Build once with the network and the same packages.",
            )
        apt.download(names, Fetching(tell, sum(one.size_bytes for one in missing)).hear)
        still = list(self._missing(missing, tell))
        if still:
            raise NotBuilt(f"{_some(one.exact for one in still)}: what was fetched is not what Debian has signed")

    def _missing(self, wanted: Sequence[Wanted], tell: Tell) -> Iterator[Wanted]:
        """Tell what is not there; a file with another hash is removed, and so is not there."""
        for done, one in enumerate(wanted):
            tell(Progress(phase="check", done=done, total=len(wanted), unit="packages"))
            path = self.folder / "archives" / one.file
            if path.is_file() and _sha256(path) == one.sha256:
                os.utime(path)
                continue
            path.unlink(missing_ok=True)
            yield one

    def _taken(self, deb: Path, runner: LineRunner) -> str:
        """Take a package file of this machine into the cache; give its stanza."""
        control = runner.run(("dpkg-deb", "--field", str(deb)), timeout_s=_SHORT_S).stdout.strip()
        name, version, arch = (_field(control, key) for key in ("Package", "Version", "Architecture"))
        file = f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
        shutil.copyfile(deb, self.folder / "archives" / file)
        size_bytes, digest = deb.stat().st_size, _sha256(deb)
        return f"{control}\nFilename: archives/{file}\nSize: {size_bytes}\nSHA256: {digest}"

    def _index(self, stanzas: Sequence[str], epoch: int) -> str:
        """Write a repository that has exactly these packages; give its name."""
        packages = ("\n\n".join(sorted(stanzas)) + "\n").encode()
        digest = hashlib.sha256(packages).hexdigest()
        folder = self.folder / "indexes" / digest[:12]
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "Packages", packages)
        release = f"Date: {formatdate(epoch, usegmt=True)}\nSHA256:\n {digest} {len(packages)} Packages\n"
        write_atomic(folder / "Release", release)
        os.utime(folder)
        return folder.name

    def _forget(self) -> None:
        """Remove what nobody has used for long."""
        oldest = time.time() - KEPT_S
        for pattern in ("archives/*.deb", "lists/*", "indexes/*"):
            for path in self.folder.glob(pattern):
                if path.stat().st_mtime < oldest:
                    remove_tree(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one build at a time change the cache. Raises: NotBuilt."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except PermissionError as error:
            raise NotBuilt(f"{error.filename}: {error.strerror}", hint="Choose another folder with --cache.") from error


def _with_files(stanzas: Iterable[str], wanted: Sequence[Wanted]) -> list[str]:
    """Say in each stanza where the cache has the file. Raises: NotBuilt where a package has no stanza."""
    files = {one.sha256: one.file for one in wanted}
    found = {}
    for stanza in stanzas:
        file = files.get(_field(stanza, "SHA256"))
        if file is not None:
            found[file] = re.sub(r"(?m)^Filename: .*$", lambda _: f"Filename: archives/{file}", stanza.strip())  # noqa: B023
    lost = set(files.values()) - set(found)
    if lost:
        raise NotBuilt(f"the package lists say nothing of {_some(lost)}")
    return list(found.values())


def _package(stanza: str) -> Package:
    name, version, arch, size = (_field(stanza, key) for key in ("Package", "Version", "Architecture", "Size"))
    return Package(name=name, version=version, arch=arch, size_bytes=int(size))


def _field(stanza: str, key: str) -> str:
    return next((value for name, value in _FIELD.findall(stanza) if name == key), "")


def _some(names: Iterable[str]) -> str:
    """Tell the first few of many."""
    listed = sorted(names)
    more = f" and {len(listed) - NAMES_TOLD} more" if len(listed) > NAMES_TOLD else ""
    return ", ".join(listed[:NAMES_TOLD]) + more


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
