"""Everything that the API needs of the daemon, in one place; implements api.backend.Backend."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from graped import __version__
from graped.api.backend import Access, Provision
from graped.api.operations import Operations
from graped.api.simulator import RackSimulator
from graped.api.types import ConfigReport, ConfigValue, ConfigView
from graped.clock import Clock
from graped.config import files, settings
from graped.config.findings import DEFAULT
from graped.config.load import Loaded
from graped.config.reload import live
from graped.config.render import diff, to_toml
from graped.config.settings import effective
from graped.config.types import Config, DriverSpec
from graped.core.events import ConfigChanged, DaemonFault
from graped.core.state import State
from graped.engine import Engine
from graped.errors import ConfigError
from graped.model import SlotId
from graped.store.history import History
from graped.store.journal import Journal
from graped.store.store import Store

log = logging.getLogger("graped.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the configuration comes from, and what the command line lays over it.

    ``room`` is where a simulation keeps its state when neither the command line nor a file says where: never where a
    real rack's is kept. ``own_socket``: with it goes its socket.
    """

    path: Path
    drivers: dict[str, DriverSpec]
    socket: Path | None = None
    state_dir: Path | None = None
    room: Path | None = None
    own_socket: bool = False

    def load(self, document: files.Document | None = None) -> Loaded:
        """Read and validate all files and what commands had set; ``document``: instead of reading the files.

        Raises: ConfigError.
        """
        loaded = effective(document or files.read(self.path), self.drivers, lambda loaded: self._state_dir(loaded)[0])
        config = loaded.config
        values = {key: (value, source) for key, value, source in loaded.values}
        state_dir, by = self._state_dir(loaded)
        if by.startswith("--"):
            config = replace(config, store=replace(config.store, state_dir=state_dir))
            values["store.state_dir"] = (str(state_dir), by)
        socket, by = self.socket, "--socket"
        if socket is None and self.own_socket and values["api.socket"][1] == DEFAULT:
            socket, by = config.store.state_dir / "graped.sock", "--simulate"
        if socket is not None:
            config = replace(config, api=replace(config.api, socket=socket))
            values["api.socket"] = (str(socket), by)
        return replace(
            loaded, config=config, values=tuple((key, value, source) for key, (value, source) in values.items())
        )

    def _state_dir(self, loaded: Loaded) -> tuple[Path, str]:
        """Tell the state directory, and who says so where it is not the files."""
        source = next(source for key, _, source in loaded.values if key == "store.state_dir")
        if self.state_dir is not None:
            return self.state_dir, "--state-dir"
        if self.room is not None and source == DEFAULT:
            return self.room, "--simulate"
        return loaded.config.store.state_dir, source


class Service:
    """Join engine, store and configuration."""

    operations: Operations  # set before the API is served: they work with this service, too

    def __init__(
        self,
        *,
        engine: Engine,
        store: Store,
        clock: Clock,
        source: Source,
        loaded: Loaded,
        simulator: RackSimulator | None,
        access: Access,
        provision: Provision | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._source = source
        self._loaded = loaded
        self.clock = clock
        self.simulator = simulator
        self.access = access
        self.provision = provision
        self.version = __version__
        self.started = clock.monotonic()
        self.ask_power = engine.ask_power
        self.cancel = engine.cancel
        self.plan_power = engine.plan_power
        self.guard = engine.guard
        self.changed = engine.changed

    @property
    def state(self) -> State:
        """The current snapshot."""
        return self._engine.state

    @property
    def journal(self) -> Journal:
        """The event log."""
        return self._store.journal

    @property
    def archive(self) -> Store:
        """Jobs of yesterday."""
        return self._store

    @property
    def history(self) -> History:
        """Old readings."""
        return self._store.history

    def config_view(self) -> ConfigView:
        """Show the effective configuration, each value with its source."""
        return ConfigView(
            files=tuple(map(str, self._loaded.files)),
            toml=to_toml(self._engine.state.config),
            values=tuple(
                ConfigValue(key=key, value=value, source=source) for key, value, source in self._loaded.values
            ),
        )

    def check_config(self) -> ConfigReport:
        """Judge the files as they are now; nothing is applied."""
        return self._judge()[0]

    async def reload(self) -> ConfigReport:
        """Read the configuration again and apply what can change at once; with a mistake nothing changes."""
        report, loaded = self._judge()
        if loaded is None:
            self.journal.append("config.refused", f"the configuration was not taken: {report.problems[0]}")
            return report
        config = live(self._engine.state.config, loaded.config)
        self._loaded = loaded
        self._store.configure(config.store)
        self._engine.post(ConfigChanged(config=config))
        self._engine.post(settings_fault(loaded))
        changes = "; ".join(report.changed) or "nothing changed"
        self.journal.append("config.reloaded", f"the configuration was read again: {changes}",
                            fields={"needs_restart": list(report.needs_restart)})  # fmt: skip
        if not report.changed:
            log.info("configuration: nothing changed")
        for line in report.needs_restart:
            log.warning("needs a restart: %s", line)
        return report

    def set_devices(self, changes: Mapping[SlotId, Mapping[str, str | None]]) -> None:
        """Set keys of devices at run time, None clears one: all together, on disk and in force when this returns.

        The configuration files are not read again. Raises: ConfigError, and then nothing has changed.
        """
        settings.set_devices(self._running().store.state_dir, changes)
        self._loaded = self._source.load(self._loaded.document)
        self._engine.post(ConfigChanged(config=live(self._running(), self._loaded.config)))
        self._engine.post(settings_fault(self._loaded))

    def set_roles(self, slots: tuple[SlotId, ...], role: str | None) -> None:
        """Set what nodes are in the Docker swarm; None: as the files say. Raises: ConfigError."""
        self.set_devices({slot: {"role": role} for slot in slots})
        for slot in slots:
            name = self._running().node_name(slot)
            words = f"is to be a {role} of the swarm" if role else "is in the swarm what the configuration files say"
            self.journal.append("node.role", f"{name} {words}", node=name, fields={"role": role})

    def _judge(self) -> tuple[ConfigReport, Loaded | None]:
        try:
            loaded = self._source.load()
        except ConfigError as error:
            problems = tuple(str(problem) for problem in error.problems)
            return ConfigReport(ok=False, problems=problems, changed=(), needs_restart=()), None
        changes = diff(self._running(), loaded.config)
        report = ConfigReport(ok=True, problems=(), changed=changes.changed, needs_restart=changes.needs_restart)
        return report, loaded

    def _running(self) -> Config:
        return self._engine.state.config


def settings_fault(loaded: Loaded) -> DaemonFault:
    """Tell whether what commands had set is in force."""
    hint = "Repair settings.toml in the state directory, or remove it; then reload."
    return DaemonFault(code="settings", message=loaded.settings_fault, hint=hint if loaded.settings_fault else "")
