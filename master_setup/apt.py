"""Install packages by apt-get: no questions, nothing removed, from a folder of .debs where one is given."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from graped.errors import CommandFailed, GrapeError
from graped.files import remove_tree
from master_setup.machine import Machine
from master_setup.record import digest

UPDATE_S: Final = 600.0
LOCK_S: Final = 300.0  # how long somebody else's apt may take
LOOK_S: Final = 3.0
TELL_S: Final = 5.0
INSTALL_S: Final = 3600.0  # a Pi with a slow card and Docker among the packages
LOCAL: Final = "/run/grape-setup-debs"  # an archive of the given .debs, for one run of apt-get
LOCKED: Final = ("frontend lock", "not get lock", "Unable to lock")  # as dpkg and apt-get say it
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
    "--fix-broken",  # what a killed run left without what it needs
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
    _patiently(machine, "dpkg", "--configure", "--pending")  # what a killed run left half done
    with _archive(machine, debs, offline) as where:
        if where or not offline:
            try:
                _patiently(machine, "apt-get", *LOCK, *where, "--quiet", "update")
            except CommandFailed as error:  # what is known already may do
                machine.say(f"apt-get update: {error}")
        _patiently(machine, "apt-get", *LOCK, *where, *INSTALL, *names)


def _patiently(machine: Machine, *argv: str) -> None:
    """Run apt or dpkg, and tell now and then how far it is.

    Where another one has the lock (unattended upgrades, or what a killed run has started), try until it is done.
    """
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            machine.run(*argv, timeout_s=INSTALL_S, env=ENV, on_line=_Progress(machine).hear)
        except CommandFailed as error:
            if not any(word in str(error) for word in LOCKED) or time.monotonic() > deadline:
                raise
            machine.say("another apt or dpkg is at work: waiting for its end")
            machine.pause(LOOK_S)
        else:
            return


class _Progress:
    """Tell what apt does, one line in a while."""

    def __init__(self, machine: Machine) -> None:
        self._say = machine.say
        self._next = time.monotonic() + TELL_S

    def hear(self, line: str) -> None:
        if line.startswith(("Get:", "Unpacking ", "Setting up ")) and time.monotonic() >= self._next:
            self._say(f"  {line}")
            self._next = time.monotonic() + TELL_S


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
