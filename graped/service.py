"""Everything that the API needs of the daemon, in one place; implements api.backend.Backend."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from graped import __version__
from graped.api.simulator import RackSimulator
from graped.api.types import ConfigReport, ConfigValue, ConfigView
from graped.clock import Clock
from graped.config.findings import DEFAULT
from graped.config.load import Loaded, load
from graped.config.reload import live
from graped.config.render import diff, to_toml
from graped.config.types import Config, DriverSpec
from graped.core.events import ConfigChanged
from graped.core.state import State
from graped.engine import Engine
from graped.errors import ConfigError
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

    def load(self) -> Loaded:
        """Read and validate all files. Raises: ConfigError."""
        loaded = load(self.path, self.drivers)
        config = loaded.config
        values = {key: (value, source) for key, value, source in loaded.values}
        state_dir, socket, by = self.state_dir, self.socket, "--state-dir"
        if state_dir is None and values["store.state_dir"][1] == DEFAULT:
            state_dir, by = self.room, "--simulate"
        if state_dir is not None:
            config = replace(config, store=replace(config.store, state_dir=state_dir))
            values["store.state_dir"] = (str(state_dir), by)
        by = "--socket"
        if socket is None and self.own_socket and values["api.socket"][1] == DEFAULT:
            socket, by = config.store.state_dir / "graped.sock", "--simulate"
        if socket is not None:
            config = replace(config, api=replace(config.api, socket=socket))
            values["api.socket"] = (str(socket), by)
        return replace(
            loaded, config=config, values=tuple((key, value, source) for key, (value, source) in values.items())
        )


class Service:
    """Join engine, store and configuration."""

    def __init__(
        self,
        *,
        engine: Engine,
        store: Store,
        clock: Clock,
        source: Source,
        loaded: Loaded,
        simulator: RackSimulator | None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._source = source
        self._loaded = loaded
        self.clock = clock
        self.simulator = simulator
        self.version = __version__
        self.started = clock.monotonic()
        self.ask_power = engine.ask_power
        self.cancel = engine.cancel
        self.plan_power = engine.plan_power
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
        changes = "; ".join(report.changed) or "nothing changed"
        self.journal.append("config.reloaded", f"the configuration was read again: {changes}",
                            fields={"needs_restart": list(report.needs_restart)})  # fmt: skip
        if not report.changed:
            log.info("configuration: nothing changed")
        for line in report.needs_restart:
            log.warning("needs a restart: %s", line)
        return report

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
