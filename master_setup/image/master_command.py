"""``grape-image master``: the image of a master, to be flashed on a card."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Final

from graped.errors import RequestError
from master_setup.image import cli, master, wishes
from master_setup.image.console import Console
from master_setup.image.master import Made
from master_setup.image.program import Program
from master_setup.image.wishes import Wishes

NAME: Final = "master"
SUMMARY: Final = "the image of a master for a Raspberry Pi 3 or 4: Debian with Grape, to be flashed on a card"


def add(to: argparse.ArgumentParser) -> None:
    """Add the options."""
    to.add_argument("--out", metavar="FILE", type=Path, required=True, help="NAME.img.xz; .sha256 and .bmap beside it")
    to.add_argument("--size", metavar="SIZE", help="of the card, 4G: (default: small; the root grows when it boots)")
    to.add_argument("--compress", metavar="0-9", type=int, choices=range(10), default=6, help="of xz (default: 6)")
    who = to.add_argument_group("who logs in: by key, by password or both; there is no default password")
    who.add_argument("--user", metavar="NAME", required=True, help="may use sudo and grapecli")
    who.add_argument("--ssh-key", metavar="FILE", type=Path, action="append", default=[], help="public key; repeatable")
    who.add_argument("--password-file", metavar="FILE", type=Path, help="its first line is the password")
    what = to.add_argument_group("the machine")
    what.add_argument("--hostname", default="master", help="(default: %(default)s)")
    what.add_argument("--timezone", metavar="ZONE", default="Etc/UTC", help="Europe/Berlin (default: %(default)s)")
    what.add_argument("--wifi-country", metavar="CC", default="", help="DE: what the radio may do there")
    what.add_argument("--interface", metavar="NAME", default="", help="where the nodes are (a Pi's cable is eth0)")
    what.add_argument("--address", metavar="A/N", default="", help="of the master there: 10.77.0.1/24")
    what.add_argument("--kernel", metavar="PACKAGE", default="linux-image-arm64", help="(default: %(default)s)")
    grape = to.add_argument_group("where Grape comes from").add_mutually_exclusive_group(required=True)
    grape.add_argument("--deb", metavar="FILE", type=Path, help="its Debian package for arm64 (make deb)")
    grape.add_argument("--wheelhouse", metavar="DIR", type=Path, help="its wheels for arm64 (make wheelhouse)")
    cli.add_common(to, arch=master.ARCH)


def run(options: argparse.Namespace, screen: Console) -> int:
    """Build it. Raises: GrapeError."""
    asked = _wishes(options)
    wishes.check(asked)
    source = _program(options)
    cli.need_root("a root file system with all its owners")
    packages = master.recipe(asked, source, 1).packages
    screen.note(f"{options.packages} list, {len(packages)} packages: {' '.join(packages)}")
    started_s = time.monotonic()
    made = master.build(
        asked, source, options.out, cache=cli.cache_of(options), level=options.compress, runner=cli.runner(),
        tell=screen.tell, sources=cli.sources_of(options, master.recipe(asked, source, 1).components),
    )  # fmt: skip
    _tell(made, time.monotonic() - started_s, options, screen)
    return cli.OK


def _wishes(options: argparse.Namespace) -> Wishes:
    if options.arch != master.ARCH:
        raise RequestError("a master's image is for arm64", hint="On other machines: Debian, and master_setup/install.")
    return Wishes(
        user=options.user,
        ssh_keys=tuple(key for path in options.ssh_key for key in wishes.read_keys(path)),
        password=wishes.read_password(options.password_file) if options.password_file else "",
        hostname=options.hostname,
        interface=options.interface,
        address=options.address,
        timezone=options.timezone,
        wifi_country=options.wifi_country,
        packages=cli.named_packages(options),
        full=options.packages == "full",
        kernel=options.kernel,
        suite=options.suite,
        size_bytes=wishes.size(options.size) if options.size else None,
    )


def _program(options: argparse.Namespace) -> Program:
    for path in (options.deb, options.wheelhouse):
        if path is not None and not path.exists():
            raise RequestError(f"there is no {path}", hint="make deb, or make wheelhouse")
    return Program(deb=options.deb, wheelhouse=options.wheelhouse)


def _tell(made: Made, took_s: float, options: argparse.Namespace, screen: Console) -> None:
    size_bytes = made.release.image.stat().st_size
    if options.json:
        files = [str(path) for path in made.release.files]
        packages = {one.name: one.version for one in made.built.packages}
        told = {"files": files, "size_bytes": size_bytes, "card_bytes": made.size_bytes, "packages": packages}
        print(json.dumps(told))
    else:
        print(made.release.image)
    screen.note(
        f"{len(made.built.packages)} packages, {size_bytes / 1e6:.0f} MB for a card of {made.size_bytes / 1e9:.1f} GB "
        f"or more, {took_s:.0f} s"
    )
