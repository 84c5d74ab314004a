"""Install packages by apt-get: no questions, nothing removed, from a folder of .debs where one is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from graped.errors import CommandFailed, GrapeError
from graped.files import remove_tree
from master_setup.machine import Machine
from master_setup.record import digest

UPDATE_S: Final = 600.0
INSTALL_S: Final = 3600.0  # a Pi with a slow card and Docker among the packages
LOCAL: Final = "/run/grape-setup-debs"  # an archive of the given .debs, for one run of apt-get
LOCK: Final = ("-o", "DPkg::Lock::Timeout=300")
ENV: Final = {
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
INSTALL: Final = (
    "install",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--no-remove",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
)


def install(machine: Machine, names: list[str], *, debs: str = "", offline: bool = False) -> None:
    """Install packages with what they depend on. Raises CommandFailed with apt's own last words."""
    if offline and not debs:
        raise GrapeError(
            f"packages are missing and nothing may be asked for them: {' '.join(names)}",
            hint="Give their .debs with --debs DIR, or leave --offline out.",
        )
    machine.run("dpkg", "--configure", "--pending", timeout_s=INSTALL_S, env=ENV)  # what a killed run left half done
    with _archive(machine, debs, offline) as where:
        if where or not offline:
            try:
                machine.run("apt-get", *LOCK, *where, "--quiet", "update", timeout_s=UPDATE_S, env=ENV)
            except CommandFailed as error:  # what is known already may do
                machine.say(f"apt-get update: {error}")
        machine.run("apt-get", *LOCK, *where, *INSTALL, *names, timeout_s=INSTALL_S, env=ENV)


@contextmanager
def _archive(machine: Machine, debs: str, offline: bool) -> Iterator[tuple[str, ...]]:
    """Make an archive of a folder of .debs; yield the options by which apt-get uses it."""
    if not debs:
        yield ()
        return
    folder = machine.path(LOCAL)
    remove_tree(folder)
    for name in ("archive", "lists/partial", "parts"):
        (folder / name).mkdir(parents=True)
    paths = sorted(machine.path(debs).glob("*.deb"))
    if not paths:
        raise GrapeError(f"there is no .deb in {debs}", hint="Give the folder that has them.")
    entries = []
    for path in paths:
        (folder / "archive" / path.name).symlink_to(path.resolve())
        control = machine.run("dpkg-deb", "--field", str(path)).stdout.rstrip("\n")
        about = f"Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest(path.read_bytes())}\n"
        entries.append(f"{control}\n{about}")
    (folder / "archive" / "Packages").write_text("\n".join(entries))
    line = f"deb [trusted=yes] file:{LOCAL}/archive ./\n"
    (folder / "sources.list").write_text(line + ("" if offline else machine.text("/etc/apt/sources.list")))
    options = {"Dir::Etc::SourceList": "sources.list", "Dir::State::Lists": "lists"}
    if offline:
        options["Dir::Etc::SourceParts"] = "parts"
    try:
        yield tuple(word for key, name in options.items() for word in ("-o", f"{key}={LOCAL}/{name}"))
    finally:
        remove_tree(folder)
