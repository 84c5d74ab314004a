"""A daemon's core with some nodes beside it, without hardware; and a real SSH server whose systemctl is a script.

What is asked of a node here is done by nobody: its commands run with a PATH of their own, in which ``systemctl``,
``poweroff`` and ``reboot`` only write down that they were called.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from graped.api.types import ConfigReport
from graped.config.types import Boot, Cluster, Config, Device, PowerPolicy, Ssh, Stack, Store
from graped.core.events import NodesTrusted, StageSeen
from graped.core.jobs import Task
from graped.model import SlotId, Stage, Verb
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from graped.operate.house import House
from graped.provision.access import Access
from graped.provision.chores import Chores
from tests.api.rack import Rack
from tests.network.sshd import free_port, sshd

A, B, C, NOWHERE = (SlotId(0, number) for number in range(4))
ME = "uid 0"
NODES = 3  # with an address


def address(slot: SlotId) -> str:
    return f"127.0.11.{2 + slot.slot}"


@dataclass
class Yard:
    """Three nodes with addresses, one without; all on and up once ``wake`` was called."""

    folder: Path
    policy: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        devices = {
            number: Device(
                mac=f"02:00:00:00:01:0{number}", boot=Boot.LOCAL,
                address=IPv4Address(address(SlotId(0, number))) if number < NODES else None,
            )
            for number in range(NODES + 1)
        }  # fmt: skip
        power: dict[str, Any] = {
            "stagger_s": 0.0, "inrush_s": 0.0, "max_inrush": 100, "max_booting": 100, "settle_s": 0.05,
            "cycle_off_s": 0.05, **self.policy,
        }  # fmt: skip
        config = Config(
            cluster=Cluster(stacks={0: Stack(devices=devices)}),
            ssh=Ssh(user=getpass.getuser(), port=free_port()),
            store=Store(state_dir=self.folder / "state"),
            power=PowerPolicy(**power),
        )
        self.port = config.ssh.port
        self.rack = Rack(config=config, netboot=False)
        self.engine = self.rack.engine
        self.chores = Chores(self.engine)
        self.access = Access(
            self.engine, self.chores, self.rack.journal, self.rack.clock, lambda slot: True, frozenset()
        )  # fmt: skip
        self.house = House(
            engine=self.engine, journal=self.rack.journal, clock=self.rack.clock, chores=self.chores,
            access=self.access, provisioning=None, is_real=lambda slot: slot != C,
            config_file=self.folder / "config.toml", set_devices=lambda _: None, reload=_reload,
        )  # fmt: skip

    async def wake(self, *slots: SlotId) -> None:
        """Switch nodes on and let them be up and trusted."""
        job = await self.engine.ask_power(Verb.ON, slots, by=ME)
        await self.until(lambda: self.engine.state.jobs[job.id].ended is not None)
        for slot in slots:
            self.engine.post(StageSeen(slot=slot, stage=Stage.UP, evidence="SSH-2.0-OpenSSH"))
        self.engine.post(NodesTrusted(slots=frozenset(slots)))

    async def power(self, verb: Verb, slot: SlotId, **how: Any) -> int:
        return (await self.engine.ask_power(verb, (slot,), by=ME, **how)).id

    def task(self, job: int, slot: SlotId) -> Task:
        return self.engine.state.jobs[job].tasks[slot]

    async def ended(self, job: int, within_s: float = 20.0) -> float:
        return await self.until(lambda: self.engine.state.jobs[job].ended is not None, within_s)

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> float:
        """Wait until something is so; return how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return time.monotonic() - began


async def _reload() -> ConfigReport:
    return ConfigReport(ok=True, problems=(), changed=(), needs_restart=())


def play(
    folder: Path, story: Callable[[Yard], Awaitable[None]], *, within_s: float = 40.0, **policy: float
) -> None:  # fmt: skip
    """Play a story in a yard whose engine runs."""

    async def bounded() -> None:
        yard, stop = Yard(folder, policy), asyncio.Event()
        async with asyncio.timeout(within_s):
            engine = asyncio.create_task(yard.engine.run(stop))
            try:
                await story(yard)
            finally:
                stop.set()
                await asyncio.gather(engine, return_exceptions=True)
                await yard.chores.close(1.0)

    asyncio.run(bounded())


@contextlib.contextmanager
def running(*parts: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Run parts of a daemon beside a story."""
    tasks = [asyncio.ensure_future(part()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


# --- a node with a system --------------------------------------------------------------------------------------


@dataclass
class Machine:
    """A real SSH server. ``said`` are the calls of its programs that stop or restart a system."""

    at: Endpoint
    key: Path
    folder: Path

    @property
    def said(self) -> list[str]:
        book = self.folder / "said"
        return book.read_text().splitlines() if book.exists() else []

    def program(self, name: str, *lines: str) -> None:
        """Give the system a program."""
        path = self.folder / "bin" / name
        path.write_text("\n".join(["#!/bin/sh", f'echo "{name} $*" >>{self.folder}/said', *lines]) + "\n")
        path.chmod(0o755)


@contextlib.contextmanager
def machine(folder: Path, *, lets_in: bool = True) -> Iterator[Machine]:
    """Run an SSH server on loopback whose commands find nothing that could stop this machine."""
    room, keys = folder / "machine", KeyRing(folder / "keys")
    (room / "bin").mkdir(parents=True)
    for name in ("sh", "id", "true", "sleep", "kill"):
        found = shutil.which(name)
        assert found is not None
        (room / "bin" / name).symlink_to(found)
    force = room / "force"
    force.write_text(f'#!/bin/sh\nPATH={room}/bin\nexport PATH\nexec {room}/bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    force.chmod(0o755)
    (room / "authorized").write_text(keys.cluster_public_key() + "\n" if lets_in else "")
    host = keys.host_keys("machine") / "ssh_host_ed25519_key"
    more = (f"AuthorizedKeysFile {room}/authorized", "StrictModes no", "PermitRootLogin yes", f"ForceCommand {force}",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no")  # fmt: skip
    with sshd(room, [host], *more) as port:
        at = Endpoint(
            name="worker-0-0", address="127.0.0.1", port=port, user=getpass.getuser(),
            host_keys=keys.public_keys("machine"),
        )  # fmt: skip
        made = Machine(at=at, key=keys.cluster_key(), folder=room)
        for name in ("systemctl", "poweroff", "reboot"):
            made.program(name)
        if os.geteuid() != 0:
            made.program("sudo", "shift", 'exec "$@"')
        yield made
