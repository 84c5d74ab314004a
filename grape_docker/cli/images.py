"""``grape_docker image``: what is in the cluster's registry."""

from __future__ import annotations

import sys

import click

from grape_docker.cli.frame import Command, Group, pass_session
from grape_docker.cli.session import Session
from graped.terminal.asking import confirm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grape_docker.registry.listing import Image
    from grape_docker.registry.place import Place
    from grape_docker.registry.pushing import Progress, Pushed
    from grape_docker.swarm.engine import Engine

MB = 1_000_000


@click.group("image", cls=Group)
def image() -> None:
    """Images in the cluster's own registry."""


def place_of(session: Session) -> Place:
    """Return where the registry of this state folder is."""
    from grape_docker.registry.place import Place

    return Place(folder=session.room / "registry")


def engine_of(session: Session) -> Engine:
    """Return the master's Docker."""
    from grape_docker.swarm.engine import Engine

    return Engine(session.docker_url)


@image.command("push", cls=Command)
@click.argument("source", metavar="FILE|IMAGE")
@click.option("--name", metavar="NAME[:TAG]", help="Under which name (default: the image's own).")
@pass_session
def push(session: Session, source: str, name: str | None) -> None:
    """Put an image into the registry: a FILE of docker save, or an IMAGE that the master's Docker has.

    Nodes then run it by its plain name, such as redis:7.
    """
    from grape_docker.registry.pushing import push as push_image

    shown = _Shown(session)
    pushed = push_image(place_of(session), engine_of(session), source, name=name, tell=shown.tell)
    shown.end()
    if session.json:
        session.print_json([_of_pushed(one) for one in pushed])
        return
    for one in pushed:
        session.print(f"{one.name}  {one.architecture}  {one.size_bytes / MB:.1f} MB  {one.digest}")


@image.command("list", cls=Command)
@pass_session
def list_images(session: Session) -> None:
    """List what the registry has, as a node sees it. Sizes are what a node has to load."""
    from grape_docker.registry.listing import images

    found = images(place_of(session))
    if session.json:
        session.print_json([_of_image(one) for one in found])
        return
    if not found:
        session.note("The registry is empty. Fill it: grape_docker image push FILE|IMAGE.")
        return
    width = max(len(one.name) for one in found)
    for one in found:
        size = f"{one.size_bytes / MB:8.1f} MB"
        session.print(f"{one.name:{width}}  {size}  {','.join(one.architectures):12}  {one.digest[:19]}")


@image.command("rm", cls=Command)
@click.argument("names", metavar="NAME[:TAG]...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def rm(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Remove images from the registry, and what only they needed. Nodes that run them go on."""
    from grape_docker.registry.names import parse
    from grape_docker.registry.place import read_address
    from grape_docker.registry.removing import remove
    from graped.runner import SubprocessRunner

    place = place_of(session)
    wanted = tuple(parse(name, registry=read_address(place).text) for name in names)
    _confirm(session, [name.short for name in wanted], yes=yes)
    remove(place, wanted, SubprocessRunner())
    if session.json:
        session.print_json([name.short for name in wanted])


@image.command("prune", cls=Command)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def prune(session: Session, yes: bool) -> None:
    """Remove images that no tag leads to any more, because it was pushed again.

    What a service of the swarm names by its digest stays.
    """
    from grape_docker.registry.place import read_address
    from grape_docker.registry.pruning import in_use, stale
    from grape_docker.registry.pruning import prune as remove_stale
    from graped.runner import SubprocessRunner

    place = place_of(session)
    read_address(place)
    keep = in_use(engine_of(session))
    found = stale(place, keep)
    names = [f"{one.path}@sha256:{one.digest}" for one in found]
    if found:
        _confirm(session, names, yes=yes)
        remove_stale(place, found, keep, SubprocessRunner())
    if session.json:
        session.print_json(names)
        return
    for name in names:
        session.print(name)
    if not names:
        session.note("Every image has a tag, or a service that runs it.")


def _confirm(session: Session, names: list[str], *, yes: bool) -> None:
    what = f"{', '.join(names)} will be removed from the registry"
    confirm(session, what, ["nodes that do not have it cannot start it any more"], "Remove?", yes=yes)


def _of_pushed(one: Pushed) -> dict[str, object]:
    return {
        "name": one.name,
        "full_name": one.full_name,
        "digest": one.digest,
        "size_bytes": one.size_bytes,
        "architecture": one.architecture,
    }


def _of_image(one: Image) -> dict[str, object]:
    return {
        "name": one.name,
        "full_name": one.full_name,
        "digest": one.digest,
        "size_bytes": one.size_bytes,
        "architectures": list(one.architectures),
    }


class _Shown:
    """How far a push is: one line that moves on a terminal, one line a step elsewhere."""

    def __init__(self, session: Session) -> None:
        self._silent = session.json
        self._moves = sys.stderr.isatty()
        self._step = ""

    def tell(self, progress: Progress) -> None:
        """Show it."""
        if self._silent:
            return
        if self._moves:
            part = f"{progress.done / MB:.1f} of {progress.total / MB:.1f} MB"
            sys.stderr.write(f"\r{progress.step} {part}\x1b[K")
        elif progress.step != self._step:
            sys.stderr.write(f"{progress.step}\n")
        self._step = progress.step
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._moves and self._step and not self._silent:
            sys.stderr.write("\r\x1b[K")
