"""Apt for a machine that does not exist yet: lists of its own, and of this machine only how to download."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from graped.errors import CommandFailed
from graped.files import write_atomic
from graped.runner import LineRunner, Output
from master_setup.image.recipe import NotBuilt

UPDATE_S: Final = 1800.0
DOWNLOAD_S: Final = 6 * 3600.0
RESOLVE_S: Final = 600.0
_URI: Final = re.compile(r"'(?P<uri>[^']*)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<hash>[0-9a-f]{64})")
_KEPT: Final = re.compile(r"Acquire::(?!IndexTargets|Languages|PDiffs|GzipIndexes)")
_BASE: Final = ("?essential", "?priority(required)", "usr-is-merged")
# A system whose /usr is merged needs usr-is-merged alone; apt would choose usrmerge, which brings all of Perl.
_PREFERENCES: Final = "Package: usrmerge\nPin: release *\nPin-Priority: -1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One package file, as the signed lists have it."""

    uri: str
    file: str  # its name, as apt keeps it: NAME_VERSION_ARCH.deb, with %3a for a colon
    size_bytes: int
    sha256: str

    @property
    def exact(self) -> str:
        """Name the package with its version, as apt takes it."""
        name, version, _ = self.file.split("_", 2)
        return f"{name}={unquote(version)}"


class Apt:
    """``folder`` keeps what apt knows of these ``sources`` (deb822) for ``arch``; packages go to ``archives``."""

    def __init__(self, folder: Path, archives: Path, arch: str, sources: str, runner: LineRunner) -> None:
        self.folder = folder
        self._archives = archives
        self._arch = arch
        self._runner = runner
        for part in (folder / "lists/partial", folder / "none/partial", archives / "partial"):
            part.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "status", "")
        write_atomic(folder / "debian.sources", sources)
        write_atomic(folder / "preferences", _PREFERENCES)
        write_atomic(folder / "apt.conf", self._conf())

    @property
    def has_lists(self) -> bool:
        """Whether lists were fetched once."""
        return any(self.folder.glob("lists/*_Packages*"))

    def update(self) -> None:
        """Fetch the lists. Raises: NotBuilt."""
        try:
            self._run(("apt-get", "update", "--error-on=any"), UPDATE_S)
        except CommandFailed as error:
            raise NotBuilt(
                f"the package lists cannot be fetched: {error.detail}",
                hint="Without a network: --offline, with the cache of a build before.",
            ) from error

    def resolve(self, packages: Sequence[str]) -> list[Wanted]:
        """Tell which packages a system with these consists of. Raises: NotBuilt."""
        words = ("apt-get", "--yes", "--print-uris", f"--option=Dir::Cache::archives={self.folder}/none/", "install")
        try:
            said = self._run((*words, *_BASE, *packages), RESOLVE_S).stdout
        except CommandFailed as error:
            raise NotBuilt(
                f"these packages cannot be installed together: {error.detail}",
                hint="Are all names right, and are their components (--component) among the sources?",
            ) from error
        return [
            Wanted(uri=found["uri"], file=found["file"], size_bytes=int(found["size"]), sha256=found["hash"])
            for found in _URI.finditer(said)
        ]

    def stanzas(self, wanted: Sequence[Wanted]) -> list[str]:
        """Give what the lists say of packages, one text each, in no order."""
        said = self._run(("apt-cache", "show", *(one.exact for one in wanted)), RESOLVE_S).stdout
        return [text for text in said.split("\n\n") if text.strip()]

    def download(self, packages: Sequence[str], on_line: Callable[[str], None]) -> None:
        """Fetch what is not in the archives yet. Raises: NotBuilt."""
        words = ("apt-get", "--yes", "--download-only", "--option=APT::Status-Fd=1", "install")
        try:
            self._run((*words, *_BASE, *packages), DOWNLOAD_S, on_line)
        except CommandFailed as error:
            raise NotBuilt(
                f"packages cannot be fetched: {error.detail}",
                hint="What was fetched is kept: the next build goes on with the rest.",
            ) from error

    def moment(self) -> int | None:
        """Tell when the newest of the lists was made, in seconds of the epoch; None where none says so."""
        moments = []
        for path in self.folder.glob("lists/*Release"):
            found = re.search(r"(?m)^Date: (.+)$", path.read_text(errors="replace"))
            if found:
                moments.append(int(parsedate_to_datetime(found[1]).timestamp()))
        return max(moments, default=None)

    def _run(self, argv: tuple[str, ...], timeout_s: float, on_line: Callable[[str], None] | None = None) -> Output:
        env = {"APT_CONFIG": str(self.folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        return self._runner.run(argv, timeout_s=timeout_s, env=env, on_line=on_line)

    def _conf(self) -> str:
        """Write apt.conf: all places are ours, and of this machine's settings those of downloading (a proxy)."""
        said = self._runner.run(("apt-config", "dump"), timeout_s=RESOLVE_S).stdout
        downloading = [line for line in said.splitlines() if _KEPT.match(line)]
        places = {
            "Dir": f"{self.folder}/",
            "Dir::Etc::SourceList": f"{self.folder}/debian.sources",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Main": "/dev/null",
            "Dir::Etc::Parts": "/dev/null",
            "Dir::Etc::Preferences": f"{self.folder}/preferences",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::Etc::Netrc": "/etc/apt/auth.conf",
            "Dir::Etc::NetrcParts": "/etc/apt/auth.conf.d/",
            "Dir::Etc::Trusted": "/etc/apt/trusted.gpg",
            "Dir::Etc::TrustedParts": "/etc/apt/trusted.gpg.d/",
            "Dir::State": f"{self.folder}/",
            "Dir::State::Lists": f"{self.folder}/lists/",
            "Dir::State::Status": f"{self.folder}/status",
            "Dir::Cache": f"{self.folder}/",
            "Dir::Cache::Archives": f"{self._archives}/",
            "Dir::Log": "/dev/null",
            "APT::Architecture": self._arch,
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::ForceHash": "SHA256",
        }
        lines = [*downloading, "#clear APT::Architectures;", f'APT::Architectures:: "{self._arch}";']
        return "\n".join([*lines, *(f'{key} "{value}";' for key, value in places.items())]) + "\n"
