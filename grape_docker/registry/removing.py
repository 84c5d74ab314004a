"""Tags go out of the registry, and then what nobody needs any more."""

from __future__ import annotations

from pathlib import Path

from grape_docker.registry import writer
from grape_docker.registry.errors import RegistryError
from grape_docker.registry.names import Name
from grape_docker.registry.place import Place
from graped.errors import NotFound
from graped.files import remove_tree
from graped.runner import Runner

PARTS = ("_manifests", "_layers", "_uploads")  # of one repository; other repositories may lie below it


def remove(place: Place, names: tuple[Name, ...], runner: Runner) -> None:
    """Remove tags, and sweep up. Other tags of the same image stay: the registry's own API would take them too.

    Raises NotFound (nothing was removed then), NoRegistry, RegistryError, CommandFailed.
    """
    with writer.locked(place, alone=True):
        for name in names:
            if not _tags(place, name).joinpath(name.tag).is_dir():
                raise NotFound(f"{name.short} is not in the registry", hint="See: grape_docker image list.")
        for name in names:
            _remove_one(place, name)
    writer.sweep(place, runner)


def _remove_one(place: Place, name: Name) -> None:
    tags = _tags(place, name)
    try:
        digest = _digest(place, name)
        remove_tree(tags / name.tag)
        left = [each for each in tags.iterdir() if each.is_dir()]
        if not left:
            for part in PARTS:
                remove_tree(place.repositories / name.path / part)
        elif digest not in {_digest(place, Name(path=name.path, tag=each.name)) for each in left}:
            remove_tree(tags.parent / "revisions" / "sha256" / digest)
    except OSError as error:
        raise RegistryError(f"cannot remove {name.short}: {error.strerror}", hint=writer.GROUP_HINT) from error


def _tags(place: Place, name: Name) -> Path:
    return place.repositories / name.path / "_manifests" / "tags"


def _digest(place: Place, name: Name) -> str:
    text = (_tags(place, name) / name.tag / "current" / "link").read_text().strip()
    kind, _, digest = text.partition(":")
    if kind != "sha256" or not digest.isalnum():
        raise RegistryError(f"{name.short} leads nowhere: {text!r}", hint="Push it again.")
    return digest
