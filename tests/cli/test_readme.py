"""What READMEs and hints say of the command line is so."""

import re
from pathlib import Path

import click

from grapecli import exits
from grapecli.app import LATE, cli
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
README = (ROOT / "grapecli" / "README.md").read_text()


def test_the_exit_codes_are_those_of_the_program() -> None:
    for code, text in exits.TABLE:
        assert f"| {code} | {text} |" in README.replace("`", "")


def test_every_command_and_power_option_is_documented(run: Run) -> None:
    for name in LATE:
        assert name in README
    for line in run("power", "cycle", "--help").out.splitlines():
        for word in line.split():
            if line.startswith("  -") and word.startswith("--"):
                assert word.rstrip(",") in README


def test_every_command_that_graped_advises_is_there() -> None:
    advised: dict[str, set[str]] = {}
    for file in (ROOT / "graped").rglob("*.py"):
        for name, word in re.findall(r"grapecli ([a-z]+) ([a-z]+)", file.read_text()):
            advised.setdefault(name, set()).add(word)
    assert {"power", "image", "node"} <= set(advised)
    context = click.Context(cli)
    for name in set(LATE) & set(advised):
        command = cli.get_command(context, name)
        if isinstance(command, click.Group) and not command.invoke_without_command:
            assert advised[name] <= set(command.list_commands(context)), name
