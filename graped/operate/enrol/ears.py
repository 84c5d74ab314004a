"""Who is heard on the cluster's network: every MAC address that asks for an address, told on to who wants to know."""

from __future__ import annotations

from collections.abc import Callable

from graped.provision.sightings import MacHeard

Listener = Callable[[MacHeard], None]


class Ears:
    """Everything in the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def hear(self, who: MacHeard) -> None:
        """Tell all listeners."""
        for listener in tuple(self._listeners):
            listener(who)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of everybody from now on; call what this gives to end it."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end
