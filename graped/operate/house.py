"""What every feature here works with: one value, made once by the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graped.api.types import ConfigReport
from graped.clock import Clock
from graped.core.state import State
from graped.engine import Engine, Journal
from graped.model import SlotId
from graped.provision.access import Access
from graped.provision.chores import Chores

if TYPE_CHECKING:
    from graped.provision.compose import Provisioning  # brings paramiko and netlink, where netbooting is wanted

Settings = Mapping[SlotId, Mapping[str, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything belongs to the event loop's thread."""

    engine: Engine
    journal: Journal
    clock: Clock
    chores: Chores
    access: Access
    provisioning: Provisioning | None  # None: netbooting is off and nothing is stored
    is_real: Callable[[SlotId], bool]  # whether a slot holds a machine, not a made-up node
    config_file: Path  # the first file of the configuration; drop-ins lie in config.d beside it
    set_devices: Callable[[Settings], None]  # what commands set; raises ConfigError, and then nothing has changed
    reload: Callable[[], Awaitable[ConfigReport]]  # read the configuration files again

    @property
    def state(self) -> State:
        """The current snapshot."""
        return self.engine.state
