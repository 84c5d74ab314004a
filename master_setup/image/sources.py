"""Apt's package sources: which of this machine's are Debian's own, for any suite and components. Pure but `read`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

APT: Final = Path("/etc/apt")
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR: Final = "http://deb.debian.org/debian"
SECURITY: Final = "http://deb.debian.org/debian-security"
_SUITE: Final = re.compile(r"(?P<base>[a-z]+)(?P<pocket>(?:-updates|-security|/updates)?)")
_OTHERS: Final = ("raspberrypi.", "raspbian.", "docker.", "ubuntu.")  # hosts that also end in /debian


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place of packages. ``signed_by`` is a path, or the key itself."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    @property
    def is_debian(self) -> bool:
        """Whether this is Debian's archive or a mirror of it, as far as its name and key tell."""
        if "main" not in self.components or not all(_SUITE.fullmatch(suite) for suite in self.suites):
            return False
        if self.signed_by and "debian-archive" not in self.signed_by:
            return False
        return all(
            re.search(r"/debian(-security)?/?$", uri) and not any(other in uri for other in _OTHERS)
            for uri in self.uris
        )  # fmt: skip

    def text(self) -> str:
        """Write it as deb822. Source: sources.list(5)."""
        lines = ["Types: deb", f"URIs: {' '.join(self.uris)}", f"Suites: {' '.join(self.suites)}"]
        lines += [f"Components: {' '.join(self.components)}"] if self.components else []
        lines += [f"Signed-By: {self.signed_by}"] if self.signed_by else []
        lines += ["Trusted: yes"] if self.trusted else []
        return "\n".join(lines) + "\n"


def read(apt: Path = APT) -> tuple[Source, ...]:
    """Read all sources of a machine."""
    names = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: list[Source] = []
    for path in names:
        if path.suffix in {".list", ".sources"} and path.is_file():
            found += parse(path.read_text(errors="replace"))
    return tuple(found)


def parse(text: str) -> list[Source]:
    """Read sources as apt writes them, one-line or deb822."""
    if re.search(r"(?mi)^\s*types\s*:", text):
        return list(_deb822(text))
    return list(_one_line(text))


def debian(own: Sequence[Source], suite: str, components: tuple[str, ...]) -> tuple[Source, ...]:
    """Choose Debian's sources for a suite: those that the machine has, else its mirror with this suite, else Debian's.

    ``components`` are added to what is chosen: who needs firmware asks for non-free-firmware.
    """
    theirs = [source for source in own if source.is_debian]
    chosen = [source for source in theirs if any(_base(one) == suite for one in source.suites)]
    if not chosen:
        chosen = [_moved(source, suite) for source in theirs] or _official(suite)
    return tuple(
        replace(
            source,
            suites=tuple(one for one in source.suites if _base(one) == suite),
            components=tuple(dict.fromkeys((*source.components, *components))),
            signed_by=source.signed_by or (KEYRING if Path(KEYRING).exists() else ""),
        )
        for source in chosen
    )


def mirror(uri: str, suite: str, components: tuple[str, ...]) -> tuple[Source, ...]:
    """Give the source that ``--mirror`` names: a mirror of Debian's archive."""
    signed_by = KEYRING if Path(KEYRING).exists() else ""
    return (Source(uris=(uri,), suites=(suite,), components=components, signed_by=signed_by),)


def for_tree(sources: Sequence[Source]) -> str:
    """Write the sources that a tree asks later: what it was built from where a node can reach that, else Debian's."""
    kept = [
        replace(source, signed_by=KEYRING)
        for source in sources
        if source.is_debian and all(uri.startswith(("http:", "https:")) for uri in source.uris)
    ]
    return "\n".join(source.text() for source in kept)


def official(suite: str, components: tuple[str, ...]) -> str:
    """Write Debian's own sources of a suite."""
    return "\n".join(replace(one, components=components, signed_by=KEYRING).text() for one in _official(suite))


def _official(suite: str) -> list[Source]:
    return [
        Source(uris=(MIRROR,), suites=(suite, f"{suite}-updates"), components=("main",)),
        Source(uris=(SECURITY,), suites=(f"{suite}-security",), components=("main",)),
    ]


def _base(suite: str) -> str:
    found = _SUITE.fullmatch(suite)
    return found["base"] if found else ""


def _moved(source: Source, suite: str) -> Source:
    """Give the same mirror with another suite in each of its pockets."""
    pockets = (found["pocket"] for one in source.suites if (found := _SUITE.fullmatch(one)))
    return replace(source, suites=tuple(dict.fromkeys(suite + pocket for pocket in pockets)))


def _deb822(text: str) -> Iterator[Source]:
    for paragraph in re.split(r"\n[ \t]*\n", _without_comments(text)):
        fields: dict[str, str] = {}
        key = ""
        for line in paragraph.splitlines():
            if line[:1] in {" ", "\t"} and key:
                fields[key] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                key = name.strip().lower()
                fields[key] = value.strip()
        wanted = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if wanted and "deb" in fields.get("types", "").split() and fields.get("uris"):
            yield Source(
                uris=tuple(fields["uris"].split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", ""),
                trusted=fields.get("trusted", "") == "yes",
            )


def _one_line(text: str) -> Iterator[Source]:
    for line in _without_comments(text).splitlines():
        found = re.fullmatch(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>\S+\s+\S+.*)", line)
        if not found:
            continue
        options = dict(one.partition("=")[::2] for one in (found["options"] or "").split())
        uri, suite, *components = found["rest"].split("#")[0].split()
        yield Source(
            uris=(uri,),
            suites=(suite,),
            components=tuple(components),
            signed_by=options.get("signed-by", "").strip('"'),
            trusted=options.get("trusted", "") == "yes",
        )


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))
