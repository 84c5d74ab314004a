"""The README's table of exit codes and its list of options are those of the program."""

from pathlib import Path

from grapecli import exits
from grapecli.app import LATE
from tests.cli.conftest import Run

README = (Path(__file__).parents[2] / "grapecli" / "README.md").read_text()


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
