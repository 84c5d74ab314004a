"""argv -> verb and options; exit codes: 0 fine, 1 something failed or differs, 2 it was asked wrongly."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from master_setup.options import Nfs

VERBS: Final = {
    "plan": "print what would change, as a diff; changes nothing (the default)",
    "apply": "make it so; can be called again and again, also after it was killed",
    "check": "tell what differs from the plan and what does not work; exit code 1 if anything",
    "confirm": "keep the network as apply has changed it; else it goes back by itself",
    "revert": "take back all changes, the last first",
}
DEFAULT: Final = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command line, understood. ``given`` holds those options of :class:`Options` that were given."""

    verb: str
    given: dict[str, Any]
    yes: bool
    json: bool
    purge: bool
    without: frozenset[str]


def parse(argv: list[str]) -> Asked:
    """Understand a command line. Exits with 2 where it cannot be."""
    if not argv or (argv[0] not in VERBS and argv[0] not in ("-h", "--help")):
        argv = [DEFAULT, *argv]
    args = vars(_parser().parse_args(argv))
    own = {name: args.pop(name) for name in ("verb", "yes", "json")}
    purge, without = args.pop("purge", False), frozenset(args.pop("without", None) or ())
    return Asked(**own, purge=purge, without=without, given=args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grape-setup",
        description="Turn a Debian or Raspberry Pi OS into the master of a Grape cluster.",
        epilog="Options are remembered: a later call without them means the same. Exit codes: 0 fine; 1 failed, "
        "or (check) something differs or does not work; 2 asked wrongly.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, about in VERBS.items():
        sub = verbs.add_parser(verb, help=about, description=about, argument_default=argparse.SUPPRESS)
        sub.add_argument("--yes", action="store_true", default=False, help="do not ask")
        sub.add_argument("--json", action="store_true", default=False, help="print JSON on stdout, and nothing else")
        if verb == "revert":
            sub.add_argument(
                "--purge", action="store_true", help="remove /var/lib/grape and /etc/grape too: DATA IS LOST"
            )
            sub.add_argument("--without", action="append", metavar="STEP", help="leave a step as it is (repeatable)")
            _no_packages(sub)
        elif verb != "confirm":
            _options(sub)
    return parser


def _options(sub: argparse.ArgumentParser) -> None:
    """Add the options that say what is wanted."""
    net = sub.add_argument_group("network")
    net.add_argument("--interface", metavar="NAME", help="where the nodes are; without it the network is left alone")
    net.add_argument("--address", metavar="A/N", help="of the master there (default 10.77.0.1/24)")
    net.add_argument("--uplink", metavar="NAME", help="where the Internet is (default: where the default route is)")
    net.add_argument(
        "--confirm-within", dest="confirm_s", type=_seconds, metavar="S", help="else the network goes back (120)"
    )
    net.add_argument("--nat", action=argparse.BooleanOptionalAction, help="let nodes use the uplink")
    serve = sub.add_argument_group("services")
    serve.add_argument("--nfs", type=Nfs, metavar="kernel|ganesha|auto", help="which NFS server")
    serve.add_argument("--docker", action="store_true", help="install Docker")
    serve.add_argument("--swarm", action="store_true", help="and keep the nodes that are up in a swarm managed here")
    serve.add_argument("--registry", action="store_true", help="and serve Docker images to the nodes")
    who = sub.add_argument_group("people")
    who.add_argument("--user", dest="users", action="append", metavar="NAME", help="into group grape (repeatable)")
    who.add_argument("--authorize", type=_absolute, metavar="FILE", help="public SSH keys that nodes accept")
    source = sub.add_argument_group("where things come from")
    source.add_argument("--wheelhouse", type=_absolute, metavar="DIR", help="wheels: no index is asked")
    source.add_argument("--debs", type=_absolute, metavar="DIR", help="local .debs")
    source.add_argument("--offline", action="store_true", help="ask nobody: only the wheelhouse and the local .debs")
    _no_packages(sub)


def _no_packages(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--no-packages", dest="packages", action="store_false", help="leave the distribution's packages alone"
    )
    sub.add_argument("--packaged", action="store_true", help="for grape's own .deb: what is below /usr belongs to dpkg")


def _seconds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 86400:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds between 1 and 86400")
    return int(text)


def _absolute(name: str) -> str:
    return os.fspath(Path(name).absolute())
