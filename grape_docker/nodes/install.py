"""Docker where it is missing: the distribution's package, or packages that lie on the master."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grape_docker.nodes.remote import Remote, script_of
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Engine, Machine, Tell, Wishes
from graped.errors import CommandFailed

INSTALL_S: Final = 900.0  # a Pi 3 with its root on NFS, and an unattended upgrade before us


def install(node: Remote, machine: Machine, wishes: Wishes, tell: Tell) -> str:
    """Install Docker; return what was done. Raises: NodeTrouble."""
    if not wishes.install:
        raise NodeTrouble(
            Code.NO_DOCKER, "Docker is not installed", hint="install it, or set docker.install = true", lasting=True
        )
    try:
        if wishes.debs is None:
            tell("docker: installing docker.io from the node's own sources")
            node.script(script_of("install.sh"), "apt", what="installing Docker", timeout_s=INSTALL_S)
            return "docker installed"
        return _install_debs(node, machine, Path(wishes.debs), tell)
    except CommandFailed as error:
        hint = (
            "a network and apt sources on the node, or docker.debs: a folder of packages on the master"
            if wishes.debs is None
            else f"{wishes.debs} needs all packages that docker.io depends on and that the node has not"
        )
        raise NodeTrouble(Code.INSTALL, f"Docker cannot be installed: {reason(error)}", hint=hint) from error


def _install_debs(node: Remote, machine: Machine, folder: Path, tell: Tell) -> str:
    debs = fitting(folder, machine.architecture)
    if not debs:
        raise NodeTrouble(
            Code.INSTALL,
            f"Docker cannot be installed: no packages for {machine.architecture} in {folder}",
            hint="put docker.io and what it depends on there, or unset docker.debs",
            lasting=True,
        )
    made = node.session.run("mktemp -d /var/tmp/grape-debs.XXXXXXXX", timeout_s=30.0, what="making a folder")
    there = made.stdout.strip()
    try:
        for number, deb in enumerate(debs, 1):
            tell(f"docker: copying {deb.name} ({number} of {len(debs)})")
            node.session.put_file(deb, f"{there}/{deb.name}")
        tell(f"docker: installing from {folder}")
        node.script(script_of("install.sh"), "debs", there, what="installing Docker", timeout_s=INSTALL_S)
    finally:
        node.script('rm -rf -- "$1"', there, what="removing packages")
    return f"docker installed from {folder}"


def fitting(folder: Path, architecture: str) -> tuple[Path, ...]:
    """List the packages of a folder that a node of this architecture takes, by Debian's names for files."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.glob("*.deb") if path.stem.endswith((f"_{architecture}", "_all"))))


def check_version(engine: Engine, floor: str) -> None:
    """See that the engine is new enough. Pure. Raises: NodeTrouble."""
    if version_of(engine.version) < version_of(floor):
        raise NodeTrouble(
            Code.OLD,
            f"its Docker is {engine.version}, and docker.min_version is {floor}",
            hint="upgrade it on the node, or lower docker.min_version",
            lasting=True,
        )


def version_of(text: str) -> tuple[int, ...]:
    """Read the numbers a version begins with: "20.10.24+dfsg1" is (20, 10, 24). Pure."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def reason(error: CommandFailed) -> str:
    """Find the line that says why: generalities come after it. Pure."""
    lines = [line.strip() for line in str(error.fields.get("stderr", "")).splitlines() if line.strip()]
    for mark in (" : Depends: ", "dpkg: error", "E: "):
        if found := next((line for line in lines if mark in line), ""):
            return found.removeprefix("E: ")
    return lines[-1] if lines else error.detail
