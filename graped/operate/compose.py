"""Put the features of this room together for one daemon; implements ``api.operations.Operations``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from graped.core.effects import AskSoftOff, LookAtNode, SoftReboot
from graped.operate.console.listening import Console
from graped.operate.enrol.ears import Ears
from graped.operate.enrol.enrolling import Enrolling
from graped.operate.enrol.pending import Pending
from graped.operate.enrol.seating import Seating
from graped.operate.evidence.ladder import Evidence
from graped.operate.evidence.pinging import Pings
from graped.operate.facts.gathering import FactsOf
from graped.operate.facts.identify import Identify
from graped.operate.house import House
from graped.operate.power.rebooting import Rebooting
from graped.operate.power.softly import Softly
from graped.operate.power.willing import Willing
from graped.operate.recovering import Recovering
from graped.operate.remote.sessions import Sessions
from graped.operate.remote.working import Remote
from graped.operate.rollout.rollouts import Rollouts
from graped.operate.rollout.steps import steps_of


class Operations:
    """One attribute a feature; made in the event loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        house.engine.ask_node = self._ask_node
        self._pings = Pings(house.engine.post)
        self.evidence = Evidence(house, self._pings)
        self._softly = Softly(house, self._pings)
        self._willing = Willing(house)
        self._rebooting = Rebooting(house)
        self.recovering = Recovering(house)
        self.facts = FactsOf(house)
        self.identify = Identify(house)
        self.console = Console(house)
        self.rollouts = Rollouts(house, steps_of(house))
        self.sessions = Sessions(house)
        self.remote = Remote(house, self.sessions)
        self.ears = Ears()
        seating = Seating(house)
        self.pending = Pending(house, self.ears, seating)
        self.enrolling = Enrolling(house, self.ears, self.pending, seating)
        if house.provisioning is not None:
            house.provisioning.hear_with(self.ears.hear)

    def parts(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Name what works by itself, until cancelled; each is run, and started again, apart from the others."""
        return {
            "evidence of nodes": self.evidence.run,
            "soft-off": self._softly.run,
            "list of nodes that can be asked": self._willing.run,
            "facts of nodes": self.facts.run,
            "console of nodes": self.console.run,
            "rollouts": self.rollouts.run,
            "logins on nodes": self.sessions.run,
            "pending MAC addresses": self.pending.run,
        }

    def _ask_node(self, effect: AskSoftOff | LookAtNode | SoftReboot) -> None:
        """Carry out what the core asks of a node; answers come back as events."""
        match effect:
            case AskSoftOff():
                self._softly.ask(effect)
            case LookAtNode():
                self.evidence.ask(effect)
            case SoftReboot():
                self._rebooting.ask(effect)
