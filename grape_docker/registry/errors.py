"""What can be wrong with the registry. ``code`` is never renamed."""

from __future__ import annotations

from graped.errors import GrapeError, RequestError


class RegistryError(GrapeError):
    """The registry, or its storage, did not do what was asked."""

    code = "registry"
    title = "The registry does not work"


class NoRegistry(RegistryError):
    """The registry was never prepared on this master."""

    code = "no_registry"
    title = "There is no registry"


class BadName(RequestError):
    """What was given is no name of an image."""

    code = "bad_image_name"
    title = "Not the name of an image"


class BadFile(RequestError):
    """What was given is no file of ``docker save``."""

    code = "bad_image_file"
    title = "Not a file of images"


class BadDaemonJson(RegistryError):
    """A node's /etc/docker/daemon.json cannot be added to."""

    code = "bad_daemon_json"
    title = "Docker's configuration cannot be read"
