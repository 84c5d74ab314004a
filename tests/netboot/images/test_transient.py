"""The command line by which systemd starts a command in an image. That it works is shown in the lab."""

from __future__ import annotations

import pytest

from graped.netboot.images.transient import NAME, unit_argv

COMMAND = ("/opt/grape/venv/bin/python", "-m", "enter", "--", "sh", "-c", "a; b")


def test_it_waits_for_the_command_as_it_is_and_hands_on_what_it_says() -> None:
    argv = unit_argv(COMMAND)
    assert argv[0] == "systemd-run"
    assert {"--wait", "--pipe", "--quiet", "--collect"} <= set(argv)
    assert argv[argv.index("--") + 1 :] == COMMAND


def test_each_command_has_a_unit_of_its_own() -> None:
    names = {word for _ in range(20) for word in unit_argv(COMMAND) if word.startswith("--unit=")}
    assert len(names) == 20
    assert all(name.startswith(f"--unit={NAME}") and name.endswith(".service") for name in names)


def test_the_environment_is_handed_on_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("SECRET", "x")
    argv = unit_argv(COMMAND)
    assert "--setenv=PYTHONPATH" in argv
    assert not [word for word in argv if "SECRET" in word or "/somewhere" in word]
