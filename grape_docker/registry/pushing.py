"""An image goes from a file or from the master's Docker into the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docker.errors import APIError, ImageNotFound

from grape_docker.registry import writer
from grape_docker.registry.errors import BadFile, BadName, RegistryError
from grape_docker.registry.names import Name, parse
from grape_docker.registry.place import Address, Place, read_address
from grape_docker.swarm.engine import Engine
from graped.errors import NotFound

LOAD_TIMEOUT_S = 3600.0  # gigabytes from an SD card
SAVE_HINT = "It has to come from: docker save. Of a tree an image is made by: docker import."
LOADED, LOADED_ID = "Loaded image: ", "Loaded image ID: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One image in the registry now: as people write it, its full name, its digest, its size unpacked."""

    name: str
    full_name: str
    digest: str
    size_bytes: int
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is: ``done`` of ``total`` bytes (0: not known) of this step."""

    step: str
    done: int = 0
    total: int = 0


Tell = Callable[[Progress], None]


def push(place: Place, engine: Engine, source: str, *, name: str | None = None, tell: Tell) -> tuple[Pushed, ...]:
    """Put an image, or all images of a file of ``docker save``, into the registry.

    ``source``: a file, else the name or id of an image that the master's Docker has; ``name``: under which name, where
    it has none or another one is wanted (one image only).
    Raises NoRegistry, BadName, BadFile, NotFound, RegistryError, and what Engine.call raises.
    """
    address = read_address(place)
    path = Path(source)
    found = load(engine, path, tell) if path.is_file() else (source,)
    if name is not None and len(found) != 1:
        raise BadName(f"{source} has {len(found)} images: one name does not fit", hint="Leave --name away.")
    if path.is_file() and name is None and (unnamed := [each for each in found if each.startswith("sha256:")]):
        raise BadName(f"{source} has an image without a name: {unnamed[0][:19]}", hint="Give it one: --name app:1.")
    wanted = {image: parse(name or image, registry=address.text) for image in found}
    with writer.writing(place) as target:
        return tuple(_push_one(engine, image, to, address, target, tell) for image, to in wanted.items())


def load(engine: Engine, path: Path, tell: Tell) -> tuple[str, ...]:
    """Load a file of ``docker save`` (also packed) into the master's Docker; return its images' names, else ids."""

    def work(client: Any) -> tuple[str, ...]:
        with path.open("rb") as stream, _patient(client):
            lines = list(client.load_image(_Counted(stream, path.stat().st_size, tell), quiet=True))
        if said := _said(lines):
            raise BadFile(f"loading {path.name}: {said}", hint=SAVE_HINT)
        return tuple(_loaded(lines))

    found = engine.call(f"loading {path.name}", work)
    if not found:
        raise BadFile(f"{path} has no image in it", hint=SAVE_HINT)
    return found


def _loaded(lines: list[dict[str, Any]]) -> Iterator[str]:
    for text in "".join(str(line.get("stream") or "") for line in lines).splitlines():
        for start in (LOADED_ID, LOADED):
            if text.startswith(start):
                yield text.removeprefix(start).strip()


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, stream: IO[bytes], total: int, tell: Tell) -> None:
        self._stream, self._total, self._tell, self._done = stream, total, tell, 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._done += len(chunk)
        self._tell(Progress(step="loading", done=self._done, total=self._total))
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(1 << 20), b"")


def _push_one(engine: Engine, image: str, name: Name, address: Address, target: writer.Writer, tell: Tell) -> Pushed:
    full = f"{target.host}/{name.path}"

    def work(client: Any) -> Pushed:
        try:
            found = client.inspect_image(image)
        except ImageNotFound:
            raise NotFound(
                f"the master's Docker has no image {image}, and there is no such file",
                hint="See: docker images. Or give a file of docker save.",
            ) from None
        if _is_id(image, name, found):
            raise BadName(f"{image} is the id of an image, not its name", hint="Give it one: --name app:1.")
        if not found.get("RepoTags"):  # an image whose only name is taken away goes with it
            client.tag(image, name.short.rpartition(":")[0], tag=name.tag)
        client.tag(image, full, tag=name.tag)
        try:
            with _patient(client):
                secret = {"username": target.user, "password": target.password}
                lines = client.push(full, tag=name.tag, stream=True, decode=True, auth_config=secret)
                digest = _followed(lines, f"pushing {name.short}", tell)
        finally:
            _untag(client, f"{full}:{name.tag}")
        return Pushed(
            name=name.short,
            full_name=name.at(address.text),
            digest=digest,
            size_bytes=found.get("Size") or 0,
            architecture=found.get("Architecture") or "",
        )

    return engine.call(f"pushing {name.short}", work)


def _is_id(image: str, name: Name, found: dict[str, Any]) -> bool:
    """Whether what was taken for a name is the image's id, perhaps shortened."""
    begins = str(found["Id"]).removeprefix("sha256:").startswith(image.removeprefix("sha256:"))
    names = {parse(each) for each in found.get("RepoTags") or ()}
    return begins and name == parse(image) and name not in names


def _untag(client: Any, full: str) -> None:
    """Take the name away that was for the push alone."""
    try:
        client.remove_image(full, noprune=True)
    except APIError:
        pass  # it is a name, nothing more; the push was done


@contextmanager
def _patient(client: Any) -> Iterator[None]:
    """Let one request of a client take long between two words of its answer."""
    usual, client.timeout = client.timeout, LOAD_TIMEOUT_S
    try:
        yield
    finally:
        client.timeout = usual


def _followed(lines: Iterator[dict[str, Any]], doing: str, tell: Tell) -> str:
    """Follow a push to its end; return the digest."""
    done: dict[str, tuple[int, int]] = {}
    digest = ""
    for line in lines:
        if said := _said([line]):
            raise RegistryError(f"{doing}: {said}")
        detail = line.get("progressDetail") or {}
        if "current" in detail and line.get("id"):
            done[line["id"]] = (detail["current"], detail.get("total") or detail["current"])
            sums = [sum(column) for column in zip(*done.values(), strict=True)]
            tell(Progress(step="pushing", done=sums[0], total=sums[1]))
        digest = (line.get("aux") or {}).get("Digest") or digest
    if not digest:
        raise RegistryError(f"{doing}: Docker did not say that it was done", hint="See: grape_docker image list.")
    return digest


def _said(lines: list[dict[str, Any]]) -> str:
    """Return the error among the lines of an answer; "" for none."""
    for line in lines:
        said = line.get("error") or (line.get("errorDetail") or {}).get("message") or line.get("message")
        if said:  # also the answer to a load that was refused at once: the SDK takes it for a line
            return str(said)
    return ""
