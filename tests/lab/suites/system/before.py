"""A machine as it was before something is done to it, and whether it is so again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from tests.lab.living import differences, doing
from tests.lab.machines.bare_machine import BareMachine
from tests.lab.state import Rule, backups, changes, restless, rules_of, take

SETTLED_S: Final = 120.0
GONE_S: Final = 20.0
PAUSE_S: Final = 1.0


class Before:
    """A machine that runs, as it is now. It is rebooted first: what differs afterwards changes by itself.

    ``units`` are those that take a moment longer than the boot; ``rules`` tell what else may differ.
    """

    def __init__(self, machine: BareMachine, units: Iterable[str] = (), rules: Iterable[Rule] = ()) -> None:
        self._machine = machine
        first = take(machine.root)
        machine.reboot()
        self._doing = _settled(machine, tuple(units))
        self._state = take(machine.root)
        self._rules = [*rules_of(machine.do), restless(first, self._state), *rules]

    def files(self) -> list[str]:
        """Tell how the files differ now, but for what falls under a rule of :mod:`tests.lab.state`."""
        now = take(self._machine.root)
        return [str(change) for change in changes(self._state, now, [*self._rules, backups(self._state, now)])]

    def differences(self, *but: str) -> list[str]:
        """Tell how files, packages, units, addresses, rules, sockets and processes differ, but for lines so begun.

        What has just ended may take a moment to be gone: only what stays is told.
        """
        deadline = time.monotonic() + GONE_S
        while True:
            found = [*self.files(), *differences(self._doing, doing(self._machine.do))]
            left = [line for line in found if not line.startswith(but)]
            if not left or time.monotonic() > deadline:
                return left


def _settled(machine: BareMachine, units: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Wait until these units run and nothing changes any more, and give what the machine is doing then."""
    deadline = time.monotonic() + SETTLED_S
    last = None
    while True:
        ready = all(_active(machine, unit) for unit in units)  # asked first: what is seen below is later
        now = doing(machine.do)
        if ready and now == last:
            return now
        assert time.monotonic() < deadline, f"{machine.name} does not settle: {differences(last or {}, now)}"
        last = now
        time.sleep(PAUSE_S)


def _active(machine: BareMachine, unit: str) -> bool:
    return machine.attempt("systemctl", "--quiet", "is-active", unit).returncode == 0
