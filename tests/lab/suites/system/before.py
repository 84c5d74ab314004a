"""A machine as it was before something is done to it, and whether it is so again."""

from __future__ import annotations

from tests.lab.living import differences, doing
from tests.lab.machines.bare_machine import BareMachine
from tests.lab.state import backups, changes, restless, rules_of, take


class Before:
    """A machine that runs, as it is now. It is rebooted first: what differs afterwards changes by itself."""

    def __init__(self, machine: BareMachine) -> None:
        self._machine = machine
        first = take(machine.root)
        machine.reboot()
        self._state = take(machine.root)
        self._doing = doing(machine.do)
        self._rules = [*rules_of(machine.do), restless(first, self._state)]

    def files(self) -> list[str]:
        """Tell how the files differ now, but for what falls under a rule of :mod:`tests.lab.state`."""
        now = take(self._machine.root)
        return [str(change) for change in changes(self._state, now, [*self._rules, backups(self._state, now)])]

    def differences(self) -> list[str]:
        """Tell how files, packages, units, addresses, rules, sockets and processes differ now."""
        return [*self.files(), *differences(self._doing, doing(self._machine.do))]
