"""Which files are in the package: pure but for reading the source tree."""

from __future__ import annotations

import gzip
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from master_setup import sources

FILES: Final = Path(__file__).parents[1] / "files"
SCRIPTS: Final = Path(__file__).parent / "scripts"
WHEELS: Final = "opt/grape/wheels"
SETUP: Final = "opt/grape/setup"  # the steps, as the distribution's own Python runs them before there is anything else
DOC: Final = "usr/share/doc/grape"
COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/{program}",
    "zsh": "usr/share/zsh/vendor-completions/_{program}",
    "fish": "usr/share/fish/vendor_completions.d/{program}.fish",
}
COMPLETED: Final = ("grapecli", "grape_docker")  # programs
READMES: Final = ("", "graped/", "graped/netboot/", "grapecli/", "grape_docker/", "master_setup/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file, or (``target``) symbolic link, at a path relative to the root."""

    path: str
    content: bytes = b""
    target: str = ""
    mode: int = 0o644


def members(source: Path, completions: Mapping[tuple[str, str], str], version: str) -> Iterator[Member]:
    """Yield all files but the wheels. ``completions``: script by program and shell."""
    yield from _setup(source, version)
    for unit in sorted((FILES / "units").glob("*.service")):
        yield Member(path=f"usr/lib/systemd/system/{unit.name}", content=unit.read_bytes())
    for name in tomllib.loads((source / "pyproject.toml").read_text())["project"]["scripts"]:
        yield Member(path=f"usr/bin/{name}", target=f"/opt/grape/venv/bin/{name}")
    for (name, shell), script in completions.items():
        yield Member(path=COMPLETIONS[shell].format(program=name), content=script.encode())
    for page in sorted((FILES / "man").glob("*.[1-8]")):
        yield Member(path=f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz", content=_packed(page.read_bytes()))
    yield from _docs(source)


def _setup(source: Path, version: str) -> Iterator[Member]:
    """Take the two packages that the steps need; no pyproject.toml: what is installed is the wheel."""
    for path in sources.files(source):
        if path.parts[0] in ("graped", "master_setup"):
            mode = sources.mode_of(source / path)
            content = sources.with_version(path, (source / path).read_bytes(), version)
            yield Member(path=f"{SETUP}/{path}", content=content, mode=mode)


def _docs(source: Path) -> Iterator[Member]:
    yield Member(path=f"{DOC}/examples/config.toml", content=(source / "config.toml").read_bytes())
    for folder in READMES:
        name = f"{folder}README.md"
        yield Member(path=f"{DOC}/{name.replace('/', '-')}", content=(source / name).read_bytes())
    yield Member(path=f"{DOC}/NEWS.gz", content=_packed((source / "CHANGELOG.md").read_bytes()))
    licence = (source / "LICENSE").read_text()
    yield Member(path=f"{DOC}/copyright", content=_copyright(licence).encode())


def _copyright(licence: str) -> str:
    head, _, body = licence.partition("\n\n")
    owner = body.partition("\n\n")[0].removeprefix("Copyright (c) ")
    text = "\n".join(f" {line}" if line else " ." for line in body.partition("\n\n")[2].strip().splitlines())
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Comment: The wheels in /opt/grape/wheels have their licences in them.\n\n"
        f"Files: *\nCopyright: {owner}\nLicense: {head.removesuffix(' License')}\n{text}\n"
    )


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)
