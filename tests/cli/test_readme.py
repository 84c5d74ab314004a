"""What READMEs and hints say of the command line is so."""

import re
import shlex
from pathlib import Path

import click
import pytest

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


EXAMPLES = {
    (file.relative_to(ROOT).as_posix(), line)
    for file in ROOT.rglob("README.md")
    if not {".venv", ".git"} & set(file.relative_to(ROOT).parts)
    for line in re.findall(r"^ *(?:\$ )?grapecli (.+)$", file.read_text(), flags=re.MULTILINE)
    if "|" not in line and "[-f]" not in line  # those list commands
}


@pytest.mark.parametrize(("file", "line"), sorted(EXAMPLES))
def test_every_example_is_a_command_with_such_options(file: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[: words.index("--")] if "--" in words else words
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name = next(word for word in words if not word.startswith("-"))
        words.remove(name)
        found = command.get_command(context, name)
        if found is None:
            assert command.invoke_without_command, name
            break
        command = found
        if isinstance(command, click.Group) and command.invoke_without_command and not words:
            break
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    assert {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1} <= known


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 25
