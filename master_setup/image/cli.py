"""The command line of ``grape-image``. Each command is a module of this package with NAME, SUMMARY, add and run."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from graped.errors import GrapeError, RequestError
from graped.runner import SubprocessRunner
from master_setup.image import console, sources
from master_setup.image.cache import Cache, default_folder

COMMANDS: Final = ("master_command", "slave_command")
SUITES: Final = ("bookworm", "trixie")
ARCHES: Final = ("amd64", "arm64", "armhf")
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
DESCRIPTION: Final = (
    "Build images out of Debian's packages. Root is needed, but for a tar where user namespaces allow it."
)
EPILOG: Final = """exit codes: 0 done; 1 failed, nothing is left; 2 wrong usage; 130 interrupted, nothing is left
Same packages and same SOURCE_DATE_EPOCH give the same image; without it the date of the package lists counts."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    catch_signals()
    options = parser().parse_args(argv)
    screen = console.choose(options.progress)
    try:
        code: int = options.run(options, screen)
    except RequestError as error:
        screen.fail(error)
        return USAGE
    except GrapeError as error:
        screen.fail(error)
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us is gone, and knows why
        return FAILED
    except OSError as error:
        screen.fail(GrapeError(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
        return FAILED
    except KeyboardInterrupt:
        screen.note("Interrupted; nothing is left.")
        return INTERRUPTED
    finally:
        screen.close()
    return code


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser("grape-image", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (import_module(f"master_setup.image.{name}") for name in COMMANDS):
        one = commands.add_parser(module.NAME, help=module.SUMMARY, description=module.SUMMARY, formatter_class=raw)
        module.add(one)
        one.set_defaults(run=module.run)
    return whole


def add_common(to: argparse.ArgumentParser, *, arch: str) -> None:
    """Add what every command takes: Debian, its packages, the cache, progress."""
    debian = to.add_argument_group("Debian")
    debian.add_argument("--suite", choices=SUITES, default="bookworm")
    debian.add_argument("--arch", choices=ARCHES, default=arch, help=f"processor (default: {arch})")
    debian.add_argument("--mirror", metavar="URL", default="", help="instead of this machine's own apt sources")
    debian.add_argument("--component", metavar="NAME", action="append", default=[], help="contrib, non-free, ...")
    debian.add_argument("--packages", choices=("minimal", "full"), default="full", help="how much (default: full)")
    debian.add_argument("--package", metavar="NAME", action="append", default=[], help="one more; repeatable")
    building = to.add_argument_group("building")
    places = "(default: /var/cache/grape/image, or ~/.cache/grape/image of who is not root)"  # the same for everybody
    building.add_argument("--cache", metavar="DIR", type=Path, default=default_folder(), help=places)
    building.add_argument("--offline", action="store_true", help="use no network: everything is in the cache")
    progress = ("auto", "lines", "json", "none")
    building.add_argument("--progress", choices=progress, default="auto", help="how to tell it, on stderr")
    building.add_argument("--json", action="store_true", help="print what was made as JSON")


def cache_of(options: argparse.Namespace) -> Cache:
    """Give the cache that the options name."""
    return Cache(options.cache, offline=options.offline)


def sources_of(options: argparse.Namespace, components: tuple[str, ...]) -> str:
    """Give the package sources that --mirror names; "" for this machine's own."""
    if not options.mirror:
        return ""
    if not re.match(r"(https?|file|copy):", options.mirror):
        raise RequestError(
            f"{options.mirror!r} is no address of a mirror", hint="--mirror http://deb.debian.org/debian"
        )
    return "\n".join(one.text() for one in sources.mirror(options.mirror, options.suite, components))


def named_packages(options: argparse.Namespace) -> tuple[str, ...]:
    """Give the packages of --package. Raises: RequestError."""
    return tuple(package_name(name) for name in options.package)


def package_name(name: str) -> str:
    """Judge the name of a package. Raises: RequestError."""
    if not PACKAGE.fullmatch(name):
        raise RequestError(f"{name!r} is no package name")
    return name


def need_root(what: str) -> None:
    """Refuse what only root can do. Raises: GrapeError."""
    if os.geteuid() != 0:
        raise RequestError(f"{what} needs root", hint="Put sudo before it.")


def runner() -> SubprocessRunner:
    """Give what runs programs."""
    return SubprocessRunner()


def catch_signals() -> None:
    """Have signals end the build as Ctrl-C does: what it has made is removed."""
    for number in _ENDING:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End once: whoever asks again does not disturb us while we clean up."""
    del number, frame
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt
