"""The images of a fake engine: loaded, named, pushed to a registry that is real."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

Json = dict[str, Any]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Held:
    """One image: its configuration, its one layer, its names."""

    config: bytes
    layer: bytes
    names: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return digest(self.config)


def made(content: str, architecture: str = "arm64") -> Held:
    """Make an image whose layer is ``content``."""
    return Held(
        config=json.dumps({"architecture": architecture, "os": "linux", "made of": content}).encode(),
        layer=gzip.compress(content.encode(), mtime=0),
    )


def saved(*images: Held) -> bytes:
    """Pack images as ``docker save`` does."""
    out = io.BytesIO()
    manifest = []
    with tarfile.open(fileobj=out, mode="w") as tar:
        for image in images:
            files = {f"{image.id[7:]}.json": image.config, f"{image.id[7:]}/layer.tar": image.layer}
            config, layer = files
            manifest.append({"Config": config, "Layers": [layer], "RepoTags": image.names})
            for name, data in files.items():
                _add(tar, name, data)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


class FakeImages:
    """What ``docker images`` would show."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.auths: list[Json] = []  # what came with each push

    def names(self) -> list[str]:
        return sorted(name for image in self.held for name in image.names)

    def find(self, name: str) -> Held:
        for image in self.held:
            if name in image.names or (len(name) > 3 and image.id[7:].startswith(name.removeprefix("sha256:"))):
                return image
        raise Refused(404, f"No such image: {name}")

    def load(self, data: bytes) -> Iterator[Json]:
        try:
            yield from self._load(data)
        except Refused as refused:  # the answer has begun: it is told as a line of it
            yield {"errorDetail": {"message": refused.message}, "error": refused.message}

    def _load(self, data: bytes) -> Iterator[Json]:
        with _opened(data) as tar:
            for one in json.loads(_read(tar, "manifest.json")):
                image = Held(config=_read(tar, one["Config"]), layer=_read(tar, one["Layers"][0]))
                image.names = list(one["RepoTags"] or [])
                for name in image.names:
                    self._untag(name)
                self.held.append(image)
                for name in image.names:
                    yield {"stream": f"Loaded image: {name}\n"}
                if not image.names:
                    yield {"stream": f"Loaded image ID: {image.id}\n"}

    def inspect(self, name: str) -> Json:
        image = self.find(name)
        architecture = json.loads(image.config)["architecture"]
        return {"Id": image.id, "RepoTags": image.names, "Architecture": architecture, "Size": len(image.layer)}

    def tag(self, name: str, repo: str, tag: str) -> None:
        image = self.find(name)
        self._untag(f"{repo}:{tag}")
        image.names.append(f"{repo}:{tag}")

    def remove(self, name: str) -> None:
        image = self.find(name)
        self._untag(name)
        if not image.names:
            self.held.remove(image)

    def _untag(self, name: str) -> None:
        for image in self.held:
            if name in image.names:
                image.names.remove(name)

    def push(self, repo: str, tag: str, header: str) -> Iterator[Json]:
        """Push over plain HTTP, as Docker does to 127.0.0.0/8. Source: docs/spec/api.md of docker/distribution."""
        image = self.find(f"{repo}:{tag}")
        auth = json.loads(base64.urlsafe_b64decode(header))
        self.auths.append(auth)
        host, _, path = repo.partition("/")
        with requests.Session() as session:
            session.trust_env = False
            session.auth = (auth["username"], auth["password"])
            try:
                for data in (image.layer, image.config):
                    self._put(session, f"http://{host}/v2/{path}", data)
                    progress = {"current": len(data), "total": len(data)}
                    yield {"status": "Pushing", "progressDetail": progress, "id": digest(data)[7:19]}
                text = json.dumps(_manifest(image)).encode()
                put = session.put(f"http://{host}/v2/{path}/manifests/{tag}", text, headers={"Content-Type": MANIFEST})
                put.raise_for_status()
            except requests.RequestException as error:
                yield {"errorDetail": {"message": str(error)}, "error": str(error)}
                return
        yield {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest(text), "Size": len(text)}}

    @staticmethod
    def _put(session: requests.Session, url: str, data: bytes) -> None:
        begun = session.post(f"{url}/blobs/uploads/")
        begun.raise_for_status()
        where = begun.headers["Location"]
        glue = "&" if "?" in where else "?"
        session.put(f"{where}{glue}digest={digest(data)}", data).raise_for_status()


def _manifest(image: Held) -> Json:
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(image.config)}
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(image.layer)}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {**config, "digest": image.id},
        "layers": [{**layer, "digest": digest(image.layer)}],
    }


def _opened(data: bytes) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(data), mode="r:*")
    except tarfile.TarError:
        raise Refused(500, "Error processing tar file(exit status 1): archive/tar: invalid tar header") from None


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    try:
        stream = tar.extractfile(name)
    except KeyError:
        raise Refused(500, f"open {name}: no such file or directory") from None
    assert stream is not None
    return stream.read()
