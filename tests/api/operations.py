"""The features of ``graped.operate``, in memory: one attribute a feature, each in a module of its own."""

from __future__ import annotations

from graped.engine import Engine
from tests.api.looking import Evidence
from tests.api.recovering import Recovering
from tests.api.remote import Remote
from tests.api.rolling import Rollouts
from tests.api.saying import Console, Facts, Identify
from tests.api.seating import Enrolling, Pending


class Operations:
    """Implements ``graped.api.operations.Operations``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.evidence = Evidence(engine)
        self.recovering = Recovering(engine)
        self.facts = Facts(engine)
        self.identify = Identify(engine)
        self.console = Console(engine)
        self.rollouts = Rollouts(engine)
        self.remote = Remote(engine)
        self.enrolling = Enrolling(engine)
        self.pending = Pending(engine)
