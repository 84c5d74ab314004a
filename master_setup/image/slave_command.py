"""``grape-image slave``: a system that nodes boot over the network."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graped.errors import RequestError
from master_setup.image import cli, slave
from master_setup.image.console import Console
from master_setup.image.recipe import Addition, TreeCopy
from master_setup.image.tree import build_tree

NAME: Final = "slave"
SUMMARY: Final = "Build what nodes boot over the network: a tar or folder for grapecli image import."


def add(to: argparse.ArgumentParser) -> None:
    """Add the options."""
    to.add_argument("--out", metavar="FILE.tar|FOLDER|-", required=True, help='what is made; "-" is stdout, a tar')
    to.add_argument("--kernel", metavar="PACKAGE", default="", help="instead of Debian's own for the processor")
    to.add_argument("--file", metavar="SOURCE:PATH", action="append", default=[], help="put a file or folder in")
    to.add_argument("--list", action="store_true", help="print the packages that are asked for, and build nothing")
    cli.add_common(to, arch="arm64")


def run(options: argparse.Namespace, screen: Console) -> int:
    """Build it; returns the exit code. Raises: GrapeError."""
    components = tuple(options.component)
    kernel = cli.package_name(options.kernel) if options.kernel else ""
    recipe = slave.recipe(
        suite=options.suite,
        arch=options.arch,
        full=options.packages == "full",
        kernel=kernel,
        packages=cli.named_packages(options),
        components=components,
        sources=cli.sources_of(options, ("main", slave.FIRMWARE_COMPONENT, *components)),
        files=tuple(_files(options.file)),
    )
    if options.list:
        print("\n".join(recipe.packages))
        return cli.OK
    with _output(options.out) as into:
        built = build_tree(recipe, into, cli.cache_of(options), cli.runner(), screen.tell)
    screen.note(f"{len(built.packages)} packages; asked for: {' '.join(recipe.packages)}")
    if options.json and options.out != "-":
        versions = {package.name: package.version for package in built.packages}
        print(json.dumps({"out": options.out, "arch": recipe.arch, "suite": recipe.suite, "packages": versions}))
    return cli.OK


def _files(words: list[str]) -> Iterator[Addition]:
    """Read SOURCE:PATH. Raises: RequestError."""
    for word in words:
        source, _, path = word.rpartition(":")
        if not source or not path.startswith("/"):
            raise RequestError(f"{word!r} is not SOURCE:PATH", hint="For example --file motd:/etc/motd")
        if not Path(source).exists():
            raise RequestError(f"{source}: no such file or folder")
        yield TreeCopy(path=path, source=Path(source))


@contextlib.contextmanager
def _output(out: str) -> Iterator[Path | int]:
    """Give where it goes. While a tar goes to stdout, what we print by mistake does not end up in it."""
    if out != "-":
        yield Path(out)
        return
    if sys.stdout.isatty():
        raise RequestError("a tar is not written to a terminal", hint="--out FILE.tar")
    sys.stdout.flush()
    descriptor = os.dup(sys.stdout.fileno())
    try:
        yield descriptor
    finally:
        os.close(descriptor)
