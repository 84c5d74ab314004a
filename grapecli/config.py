"""``grapecli config``: what is in force, and whether the files are sound."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click

from grapecli import exits
from grapecli.frame import Group, pass_session
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

CHECK_S = 60.0
_COUNT = re.compile("[0-9]+ errors?")  # graped's last line


@click.group(cls=Group)
def config() -> None:
    """Show, check and reload the configuration."""


@config.command("show")
@click.option("--sources", is_flag=True, help="One line a value, with the file it comes from.")
@pass_session
def show(session: Session, sources: bool) -> None:
    """Show the effective configuration of the running daemon, as TOML."""
    view = session.client().get("/v1/config")
    if session.json:
        session.print_json(view)
    elif sources:
        import json

        for value in view["values"]:
            session.print(f"{value['key']} = {json.dumps(value['value'], ensure_ascii=False)}  # {value['source']}")
    else:
        session.print("\n".join([f"# from {file}" for file in view["files"]] + [view["toml"].rstrip("\n")]))


@config.command("check", short_help="Check the files of the running daemon, or FILE.")
@click.argument("file", required=False, type=click.Path())
@pass_session
def check(session: Session, file: str | None) -> int:
    """Check the files of the running daemon, or FILE by running graped --check-config.

    Exit code 2 where there are mistakes.
    """
    if file is not None:
        return _check_file(session, file)
    return _tell(session, session.client().post("/v1/config/check"))


@config.command("reload", short_help="Have the daemon read its files again.")
@pass_session
def reload(session: Session) -> int:
    """Have the daemon read its files again; with mistakes in them nothing is applied."""
    return _tell(session, session.client().post("/v1/config/reload"))


def _tell(session: Session, report: Json) -> int:
    """Print a report: mistakes, else what changed and what needs a restart."""
    if session.json:
        session.print_json(report)
    else:
        for problem in report["problems"]:
            session.print(problem)
        for key in report["changed"]:
            session.print(f"changed: {key}")
        for key in report["needs_restart"]:
            session.print(f"needs a restart of graped: {key}")
        session.note("The configuration is sound." if report["ok"] else "The configuration has mistakes.")
    return exits.OK if report["ok"] else exits.USAGE


def _check_file(session: Session, file: str) -> int:
    """Run the daemon's own check; it needs no running daemon."""
    beside = Path(sys.executable).with_name("graped")  # the one we were installed with
    argv = (str(beside) if beside.exists() else "graped", "--check-config", file)
    session.note(f"Running {' '.join(argv)}")
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CHECK_S)
    except FileNotFoundError:
        raise click.UsageError("graped is not installed here; check FILE on the master.") from None
    if session.json:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        problems = [line for line in lines if not _COUNT.fullmatch(line)] if done.returncode else []
        session.print_json({"ok": done.returncode == 0, "problems": problems, "changed": [], "needs_restart": []})
    else:
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
    return done.returncode
