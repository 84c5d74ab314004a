"""The composition root: configuration, bottom layer, store, engine, API; tasks, signals, systemd."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from graped import DEFAULT_CONFIG, __version__, bottom, logs
from graped.api import server
from graped.api.listener import Listener, listen
from graped.api.request_id import RequestIdFilter
from graped.api.simulator import RackSimulator
from graped.clock import Clock, SystemClock
from graped.config.load import Loaded
from graped.core.events import DaemonFault, Event, MetersRead, OverTemperature, StageSeen
from graped.core.step import initial
from graped.display import DisplayService
from graped.engine import Engine
from graped.errors import ConfigError, GrapeError, PinError, SocketInUse
from graped.files import write_atomic
from graped.hardware.drivers import registry
from graped.hardware.lanes import Lanes, Priority, lane_of_bus
from graped.hardware.protocols import Edge, Gpio
from graped.model import Fault, SlotId, Stage
from graped.notify import Notifier
from graped.operate.compose import Operations
from graped.operate.house import House
from graped.pollers import Pollers
from graped.provision.access import Access
from graped.provision.chores import Chores
from graped.provision.sightings import MacHeard
from graped.service import Service, Source, settings_fault
from graped.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from graped.provision.compose import Provisioning

log = logging.getLogger("graped")

SIM_CONFIG = Path(__file__).parent / "hardware" / "sim" / "demo.toml"
DATABASE = "grape.db"
LOCK = "graped.lock"
RETRY_S = 5.0  # between two tries of a part that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line."""

    config: Path | None = None
    simulate: bool = False
    socket: Path | None = None
    state_dir: Path | None = None
    sim_trace: Path | None = None
    sim_faults: Path | None = None
    sim_nodes: Path | None = None
    sim_netboot: bool = False
    log_level: str = "info"


def run(options: Options) -> int:
    """Run until told to stop; return the exit code (0 as asked, 1 could not run, 2 bad configuration)."""
    logs.set_up(options.log_level, RequestIdFilter())
    faulthandler.enable()  # the watchdog ends us by SIGABRT: the journal then has where each thread was
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload asked before we serve must not end us
    try:
        source = _source(options)
        loaded = source.load()
        for warning in loaded.warnings:
            log.warning("%s", warning)
        if options.simulate:
            where = loaded.config.store.state_dir, loaded.config.api.socket
            log.info("simulating %s in %s; talk to it with: export GRAPE_SOCKET=%s", source.path, *where)
        return asyncio.run(_Daemon(options, source, loaded).run())
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        if options.config is None and not options.simulate and not Path(DEFAULT_CONFIG).exists():
            print("write that file (the project's config.toml is a sample), or try: graped --simulate", file=sys.stderr)
        return 2
    except (GrapeError, OSError) as error:
        log.error("cannot run: %s", error)
        if isinstance(error, GrapeError) and error.hint:
            log.error("%s", error.hint)
        return 1


def _source(options: Options) -> Source:
    """Find the configuration; a simulation without one gets a rack to play with, in a folder of its user."""
    path, room = options.config or Path(DEFAULT_CONFIG), None
    if options.simulate:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        room = Path(home) / "grape-sim"
        path = path if options.config or path.exists() else _demo(options.state_dir or room)
    return Source(
        path=path,
        drivers=registry.find(),
        socket=options.socket and options.socket.absolute(),
        state_dir=options.state_dir and options.state_dir.absolute(),
        room=room,
        own_socket=options.simulate and os.geteuid() != 0,  # only root may make /run/grape
    )


def _demo(room: Path) -> Path:
    """Lay the demonstration's configuration into its room, so that commands can write drop-ins beside it."""
    room.mkdir(parents=True, exist_ok=True)
    file = room.absolute() / SIM_CONFIG.name
    write_atomic(file, SIM_CONFIG.read_text())
    return file


class _Daemon:
    """One run."""

    def __init__(self, options: Options, source: Source, loaded: Loaded) -> None:
        self.options = options
        self.source = source
        self.loaded = loaded
        self.config = loaded.config
        stacks = self.config.cluster.stacks.items()
        self.slots = {key: source.drivers[stack.driver].slots(stack.options) for key, stack in stacks}
        self.clock: Clock = SystemClock()
        self.stop = asyncio.Event()
        self.notifier = Notifier()
        self.lanes = Lanes()

    async def run(self) -> int:
        """Refuse where another daemon runs, before anything is touched; then serve until stopped."""
        state_dir = self.config.store.state_dir
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = _lock(state_dir / LOCK)
        listener = listen(self.config.api.socket, self.config.api.group)
        try:
            ground = await asyncio.to_thread(self._stand)  # before the store: a start that fails here is no crash
            try:
                await self._record(listener, ground, state_dir / DATABASE)
            finally:
                ground.close()
        finally:
            listener.close()
            os.close(lock)
        return 0

    async def _record(self, listener: Listener, ground: bottom.Bottom, database: Path) -> None:
        """Serve with the store open; what ends in an error does not end clean.

        Nor does a run that followed a crash and was stopped before it had read what the crash left in the ports.
        """
        store = await Store.open(database, self.clock, self.config.store)
        clean = False
        try:
            engine = await self._serve(store, listener, ground)
            stacks, past = engine.state.stacks, store.remembered()
            clean = past.clean_stop or all(stacks[key].adopted for key in past.ports if key in stacks)
        finally:
            await store.close(clean=clean)

    def _stand(self) -> bottom.Bottom:
        options = self.options
        if not options.simulate:
            return bottom.real(self.config)
        return bottom.simulated(
            self.config,
            self.slots,
            self.config.store.state_dir,
            trace=options.sim_trace,
            faults=options.sim_faults,
            nodes=options.sim_nodes,
        )

    async def _serve(self, store: Store, listener: Listener, ground: bottom.Bottom) -> Engine:
        specs = self.source.drivers
        stacks = self.config.cluster.stacks
        state = initial(
            self.config,
            store.remembered(),
            layouts=self.slots,
            next_job=store.next_job,
            watched=ground.simulated,
            cycles=store.recovery_cycles(),
        )
        pollers = Pollers(stacks, lambda: engine.state.config, specs, ground.resources, self.lanes, self.clock)
        heartbeat = (self.notifier.watchdog_s or 10.0) / 3
        engine = Engine(
            state, self.clock, pollers, store, store.journal, alive=self.notifier.alive, heartbeat_s=heartbeat
        )

        def report(event: Event) -> None:
            if isinstance(event, MetersRead):
                store.history.add(event.stack, event.readings)
            engine.post(event)

        pollers.post = report
        pollers.verified = lambda key: reading.value if (reading := engine.state.stacks[key].reading) else None
        simulator = RackSimulator(ground.control) if ground.control else None
        chores = Chores(engine)
        access = Access(engine, chores, store.journal, self.clock, ground.is_real, ground.simulated)
        service = Service(
            engine=engine, store=store, clock=self.clock, source=self.source, loaded=self.loaded, simulator=simulator,
            access=access,
        )  # fmt: skip
        store.on_fault = lambda fault: engine.post(_store_fault(fault))
        engine.post(_store_fault(store.fault))
        engine.post(settings_fault(self.loaded))
        for job in store.interrupted_jobs():
            store.journal.append("job.interrupted", f"job {job.id} was interrupted: graped had stopped", job=job.id)
        store.journal.append("daemon.started", f"graped {__version__} started", fields={"pid": os.getpid()})
        self._signals(service)
        provisioning = self._provision(engine, store, service, chores, access)
        operations = Operations(
            House(
                engine=engine, journal=store.journal, clock=self.clock, chores=chores, access=access,
                provisioning=provisioning, is_real=ground.is_real, config_file=self.source.path,
                set_devices=service.set_devices, reload=service.reload,
            )
        )  # fmt: skip
        service.operations = operations
        end_stages = self._watch_stages(engine, ground, operations.ears.hear)
        display = self._display(engine, store, ground)
        try:
            parts: dict[str, Callable[[], Awaitable[None]]] = {"display": display.run, "SSH to the nodes": access.run}
            parts |= operations.parts()
            parts |= {"network boot": provisioning.run} if provisioning is not None else {}
            await self._tasks(engine, service, pollers, listener, ground.resources.gpio, parts)
        finally:
            log.info("stopped; every slot stays as it is")
            store.journal.append("daemon.stopped", "graped stopped; every slot stays as it is")
            end_stages()
            await chores.close()
            self.lanes.close()
        return engine

    async def _tasks(
        self,
        engine: Engine,
        service: Service,
        pollers: Pollers,
        listener: Listener,
        gpio: Gpio | None,
        parts: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        """Run everything until ``stop``; the API and the engine end by themselves, the rest is cancelled."""
        background = [
            asyncio.create_task(pollers.run()),
            asyncio.create_task(self._watch_heat(engine, gpio)),
            *(asyncio.create_task(_kept(name, run)) for name, run in parts.items()),
        ]
        turning = asyncio.create_task(engine.run(self.stop))
        main = [asyncio.create_task(server.serve_on(server.build_app(service), listener, self.stop)), turning]
        self.notifier.send("READY=1", f"STATUS=serving {len(self.config.cluster.stacks)} stacks")
        log.info("graped %s serves on %s", __version__, self.config.api.socket)
        await asyncio.wait([*main, background[0]], return_when=asyncio.FIRST_COMPLETED)
        if not self.stop.is_set():
            log.critical("a part of graped ended by itself")
            self.stop.set()
        self.notifier.send("STOPPING=1")
        await asyncio.wait([turning])  # what was written last is still read back
        for task in background:
            task.cancel()
        ended = await asyncio.gather(*main, *background, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def _provision(
        self, engine: Engine, store: Store, service: Service, chores: Chores, access: Access
    ) -> Provisioning | None:
        """Begin netbooting where it is wanted; a simulation starts servers only when told to."""
        if self.options.simulate and not self.options.sim_netboot:
            return None
        from graped.provision.compose import Provisioning, is_wanted  # late: paramiko and netlink cost a second on a Pi

        if not is_wanted(self.config):
            return None
        made = Provisioning(engine, store.journal, self.clock, service.set_devices, chores, access)
        service.provision = made.netboot
        return made

    def _signals(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        pending: set[asyncio.Task[object]] = set()

        def reload() -> None:
            usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.notifier.send("RELOADING=1", f"MONOTONIC_USEC={usec}")
            task: asyncio.Task[object] = asyncio.create_task(self._reload(service))
            pending.add(task)
            task.add_done_callback(pending.discard)

        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        loop.add_signal_handler(signal.SIGINT, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload)

    async def _reload(self, service: Service) -> None:
        report = await service.reload()
        for problem in report.problems:
            log.error("configuration: %s", problem)
        for line in report.changed:
            log.info("configuration: %s", line)
        self.notifier.send("READY=1")

    def _watch_stages(
        self, engine: Engine, ground: bottom.Bottom, hear: Callable[[MacHeard], None]
    ) -> Callable[[], None]:
        """Follow the simulated nodes' boot stages, and hear who asks for an address."""
        if ground.control is None:
            return lambda: None
        loop = asyncio.get_running_loop()
        known: set[SlotId] = set()

        def take(where: SlotId, stage: str | None) -> None:
            if stage is not None:  # None: a machine that the rack only switches: it knows nothing of its boot
                engine.post(StageSeen(slot=where, stage=Stage(stage), initial=where not in known))
            known.add(where)

        def seen(stack: int, slot: int, stage: str | None) -> None:  # in a thread
            try:
                loop.call_soon_threadsafe(take, SlotId(stack, slot), stage)
            except RuntimeError:
                pass  # the loop has ended

        def asked(mac: str) -> None:  # in a thread
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(hear, MacHeard(mac=mac, vendor="PXEClient"))

        return ground.control.watch_stages(seen, asked)

    def _display(self, engine: Engine, store: Store, ground: bottom.Bottom) -> DisplayService:
        def report(kind: str, message: str) -> None:
            log.info("%s", message)
            store.journal.append(kind, message)

        return DisplayService(
            state=lambda: engine.state,
            buses=ground.resources.buses,
            lane_of=lambda bus: self.lanes.get(lane_of_bus(bus)),
            gpio=ground.resources.gpio,
            report=report,
        )

    async def _watch_heat(self, engine: Engine, gpio: Gpio | None) -> None:
        """Follow the over-temperature line; asked for again at growing intervals where it cannot be watched."""
        pin = self.config.gpio.overtemp_pin
        boards = any(self.source.drivers[stack.driver].board for stack in self.config.cluster.stacks.values())
        if gpio is None or pin is None or not boards:
            return
        lane, loop = self.lanes.get("gpio"), asyncio.get_running_loop()

        def look() -> None:
            engine.post(OverTemperature(low=not gpio.level(pin)))

        def moved() -> None:  # in any thread
            loop.call_soon_threadsafe(look)

        pause = RETRY_S
        while True:
            try:
                watch = lambda: gpio.watch(pin, Edge.BOTH, moved)  # noqa: E731
                await lane.run(watch, priority=Priority.COMMAND, by="over-temperature line")
                break
            except PinError as error:
                text = f"the over-temperature line is not watched: {error.detail}"
                engine.post(DaemonFault(code="gpio", message=text, hint=error.hint))
            await asyncio.sleep(pause)
            pause = min(2 * pause, max(RETRY_S, self.config.poll.retry_max_s))
        engine.post(DaemonFault(code="gpio", message=""))
        low = not await lane.run(lambda: gpio.level(pin), priority=Priority.COMMAND, by="over-temperature line")
        engine.post(OverTemperature(low=low))


def _store_fault(fault: Fault | None) -> DaemonFault:
    if fault is None:
        return DaemonFault(code="store", message="")
    return DaemonFault(code="store", message=fault.message, hint=fault.hint)


async def _kept(name: str, part: Callable[[], Awaitable[None]]) -> None:
    """Run a part that graped can do without; a bug in it is logged and the part started again."""
    while True:
        try:
            await part()
            return
        except Exception:
            log.exception("the %s failed; it is started again in %g s", name, RETRY_S)
            await asyncio.sleep(RETRY_S)


def _lock(path: Path) -> int:
    """Hold the state directory: two daemons must never write the same ports. Raises: SocketInUse."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SocketInUse(
            f"another graped holds {path}", hint="stop it first (systemctl stop graped), or give another --state-dir"
        ) from error
    return descriptor
