"""A run that is really killed, at every moment at which it changes something: the next goes on, or takes all back."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from master_setup.machine import Machine
from tests.setup.doing import apply, plan, revert
from tests.setup.fake_debian import FakeDebian, debian, machine, tree

CHANGING = ("replace", "rename", "mkdir", "rmdir", "unlink", "symlink", "chmod", "fchmod", "chown", "fchown", "open")
# There are about 600 moments, half a second each: one in STRIDE is tried, with GRAPE_EVERY_MOMENT=1 all are.
STRIDE = 1 if os.environ.get("GRAPE_EVERY_MOMENT") else 29
SHARES = 2  # so that two workers halve the time
LIMIT = 2000


class Killer:
    """Kill this process at the n-th moment: before a system call that changes something, around each program."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> None:
        if self.left == 0:
            os.killpg(0, signal.SIGKILL)  # with the shell that a revert becomes at its end
        self.left -= 1

    def watch(self, fake: FakeDebian) -> Machine:
        for name in CHANGING:
            setattr(os, name, self._before(getattr(os, name)))
        run = fake.run

        def watched(argv: tuple[str, ...], **how: Any) -> Any:
            self()
            output = run(argv, **how)
            self()
            return output

        fake.run = watched  # type: ignore[method-assign]
        return machine(fake)

    def _before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def killing(*words: Any, **how: Any) -> Any:
            if call.__name__ != "open" or (len(words) > 1 and words[1] & os.O_CREAT):
                self()
            return call(*words, **how)

        return killing


def killed(fake: FakeDebian, at: int, act: Callable[[FakeDebian, Machine], object]) -> bool:
    """Do something in a child that is killed at a moment; False where it came to its end before."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 1
        try:
            act(fake, Killer(at).watch(fake))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("share", range(SHARES))
def test_apply_killed_anywhere(tmp_path: Path, share: int) -> None:
    reference = debian(tmp_path / "reference/root")
    before = tree(reference.root)
    apply(reference)
    whole = wanted_part(reference)
    for at in range(share, LIMIT, SHARES * STRIDE):
        fake = debian(tmp_path / f"{at}/root")
        if not killed(fake, at, lambda fake, there: apply(fake, there=there)):
            break
        if at % 2:
            apply(fake)
            assert plan(fake) == [], at
            assert wanted_part(fake) == whole, at
            assert apply(fake).changes == 0, at
        revert(fake)
        assert tree(fake.root) == before, at
        assert fake._state("packages", {}) == {}, at
    else:
        raise AssertionError("it never came to its end")
    assert at > 50, at


@pytest.mark.parametrize("share", range(SHARES))
def test_revert_killed_anywhere(tmp_path: Path, share: int) -> None:
    for at in range(share, LIMIT, SHARES * STRIDE):
        fake = debian(tmp_path / f"{at}/root")
        before = tree(fake.root)
        apply(fake)
        if not killed(fake, at, lambda fake, there: revert(fake, there=there)):
            break
        revert(fake)
        assert tree(fake.root) == before, at
    else:
        raise AssertionError("it never came to its end")
    assert at > 50, at


def wanted_part(fake: FakeDebian) -> dict[str, tuple[object, ...]]:
    """Take the tree without the record, whose backups tell of each run."""
    return {path: about for path, about in tree(fake.root).items() if not path.startswith("/var/lib/grape/setup/")}
