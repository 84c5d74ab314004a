"""``grapecli node trust`` against the real API in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.api.conftest import Served, serving
from tests.api.trusting import PASSWORD, Trusting, fingerprint
from tests.cli.conftest import Run

A, B = fingerprint("a"), fingerprint("b")


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


@pytest.fixture
def cards(served: Served) -> Trusting:
    cards = served.rack.access.trusting
    cards.shows = {"worker-0-0": A, "worker-0-1": B}
    return cards


def test_keys_are_shown_accepted_and_pinned_with_the_password_that_was_typed(
    cards: Trusting, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prompt(text: str, **how: object) -> str:
        asked.append(text)
        assert how["hide_input"]
        return PASSWORD

    monkeypatch.setattr(click, "prompt", prompt)
    done = run("node", "trust", "worker-0-[0-1]", "--user", "pi", stdin="yes\n", tty=True)
    assert done.code == 0, done.err
    assert asked == ["Password of pi on worker-0-[0-1]"]
    assert cards.pins == {"worker-0-0": A, "worker-0-1": B}
    assert A in done.err
    assert "Are these the keys of worker-0-[0-1]?" in done.err
    assert f"done: worker-0-0 ({A})" in done.out
    assert PASSWORD not in done.out + done.err


def test_no_password_is_asked_for_where_our_key_is_good_already(cards: Trusting, run: Run) -> None:
    cards.open = {"worker-0-0"}
    done = run("node", "trust", "worker-0-0", "--fingerprint", A)
    assert done.code == 0, done.err
    assert cards.passwords == [None]
    again = run("--json", "node", "trust", "worker-0-0")  # as pinned: nothing to ask
    assert again.code == 0, again.err
    assert again.json["outcome"] == "done"


def test_the_password_can_come_from_stdin(cards: Trusting, run: Run) -> None:
    done = run("node", "trust", "worker-0-[0-1]", "--yes", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert done.code == 0, done.err
    assert cards.passwords == [PASSWORD, PASSWORD]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Nobody vouches for the host key of worker-0-[0-1]"),
        (("--fingerprint", A), "worker-0-1 shows none of the fingerprints"),
        (("--yes",), "does not let the cluster's key in as root"),
    ],
)
def test_without_somebody_to_ask_nothing_is_trusted(
    cards: Trusting, run: Run, words: tuple[str, ...], said: str
) -> None:
    done = run("node", "trust", "worker-0-[0-1]", *words)
    assert done.code == 2
    assert said in done.err
    assert cards.pins == {}
    assert cards.passwords == []


def test_no_is_no(cards: Trusting, run: Run) -> None:
    done = run("node", "trust", "worker-0-0", stdin="\n", tty=True)
    assert done.code == 2
    assert cards.pins == {}


def test_a_changed_key_needs_more_than_yes(cards: Trusting, run: Run) -> None:
    cards.pins = {"worker-0-0": B}
    cards.open = {"worker-0-0"}
    refused = run("node", "trust", "worker-0-0", "--yes")
    assert refused.code == 2
    assert "ANOTHER KEY" in refused.err
    assert B in refused.err
    assert cards.pins == {"worker-0-0": B}
    assert run("node", "trust", "worker-0-0", "--fingerprint", A).code == 0
    assert cards.pins == {"worker-0-0": A}


def test_a_node_that_shows_no_key_is_told_and_keeps_no_other_from_its_turn(cards: Trusting, run: Run) -> None:
    cards.open = {"worker-0-0"}
    done = run("node", "trust", "worker-0-0,worker-0-2", "--yes")
    assert done.code == 1
    assert cards.pins == {"worker-0-0": A}
    assert "no answer" in done.err
    nobody = run("node", "trust", "worker-0-2", "--yes")
    assert nobody.code == 2
    assert "None of these nodes shows a host key" in nobody.err


def test_a_wrong_password_is_a_failure_of_the_node(cards: Trusting, run: Run) -> None:
    done = run("node", "trust", "worker-0-0", "--yes", "--password-stdin", stdin="guess\n")
    assert done.code == 1
    assert "failed: worker-0-0 (worker-0-0 does not let root in)" in done.out
    assert cards.pins == {}
