"""What the routes need of the daemon. Tests pass a small rack in memory, the daemon passes the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from graped.api import types
from graped.api.operations import Operations
from graped.api.types import ConfigReport, ConfigView, SimDisplay, SimFault
from graped.clock import Clock
from graped.core.chore import Chore
from graped.core.events import GuardEvent
from graped.core.jobs import Job
from graped.core.plan import Planned
from graped.core.state import State
from graped.model import MeterKind, SlotId, Verb
from graped.store.events import LoggedEvent
from graped.store.jobs import Stored


class Journal(Protocol):
    """The event log. A ``kind`` is a kind or a family (``power`` has ``power.changed``); None is all."""

    @property
    def last_id(self) -> int: ...
    async def after(self, after_id: int, limit: int = ..., kind: str | None = ...) -> list[LoggedEvent]: ...
    async def latest(self, limit: int = ..., before: int | None = ..., kind: str | None = ...) -> list[LoggedEvent]: ...
    def subscribe(self, after_id: int | None = ..., kind: str | None = ...) -> AsyncIterator[LoggedEvent]: ...


class Archive(Protocol):
    """Jobs of yesterday."""

    async def jobs(self, limit: int, before: int | None = None) -> list[Stored]: ...
    async def job(self, job_id: int) -> Stored | None: ...


class Point(Protocol):
    """One point of a meter's history; ``at`` is unix seconds."""

    @property
    def at(self) -> float: ...
    @property
    def mean(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def most(self) -> int: ...


class History(Protocol):
    """Old readings; times are unix seconds. Points come oldest first."""

    async def query(
        self, stack: int, kind: MeterKind, since: float, until: float, step_s: float
    ) -> Sequence[Point]: ...


class Simulator(Protocol):
    """The simulated rack, as far as people may play with it."""

    async def faults(self) -> Sequence[SimFault]: ...
    async def add(self, fault: SimFault) -> SimFault: ...
    async def clear(self, fault_id: int | None) -> None: ...  # None: all; raises NotFound
    async def display(self) -> SimDisplay: ...
    async def knob(self, turn: int, press: bool) -> None: ...


class Provision(Protocol):
    """Images, roots and the servers of the cluster. What takes long is a chore: accepted here, done in a thread.

    Raises, besides what is named: NotFound (no such image, root, workspace), NetbootOff (only what is stored can be
    told then), RequestError (a name that is none).
    """

    def images(self) -> Sequence[types.Image]: ...  # by name, newest last
    def image(self, ref: str) -> types.Image: ...  # "bookworm" is its newest; raises NotFound, Conflict (ambiguous)
    def root(self, slot: SlotId) -> types.Root | None: ...

    async def import_image(
        self, name: str, source: str, chunks: AsyncIterator[bytes], *, size_bytes: int | None = None, by: str
    ) -> Chore:
        """Take a file as its bytes come; return once it took all of them or gave up (the chore then says why).

        ``size_bytes``: how many will come, where that is known.
        Raises: Conflict (too many at once); what ``chunks`` raises.
        """
        ...

    async def remove_image(self, ref: str) -> types.Image: ...  # what is gone; raises InUse
    async def diff_images(self, old: str, new: str) -> Sequence[types.Change]: ...
    async def diff_node(self, slot: SlotId) -> Sequence[types.Change]: ...

    async def verify_image(self, ref: str, *, by: str) -> Chore: ...
    async def prepare_image(self, ref: str, *, by: str) -> Chore: ...
    async def exec_image(self, ref: str, argv: Sequence[str], *, name: str | None, by: str) -> Chore: ...
    async def commit_node(self, slot: SlotId, name: str, *, by: str) -> Chore: ...  # raises NodeOn

    async def workspaces(self) -> Sequence[types.Workspace]: ...  # the newest last
    async def open_workspace(self, ref: str, *, by: str) -> types.Workspace: ...
    async def commit_workspace(self, workspace: str, name: str | None, *, by: str) -> Chore: ...
    async def drop_workspace(self, workspace: str) -> types.Workspace: ...

    async def set_nodes(self, slots: Sequence[SlotId], changes: types.NodeChanges, *, by: str) -> Chore: ...
    async def reset_nodes(self, slots: Sequence[SlotId], *, by: str) -> Chore: ...
    async def snapshot_nodes(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore: ...  # raises NodeOn
    async def rollback_nodes(self, slots: Sequence[SlotId], label: str | None, *, by: str) -> Chore: ...  # NodeOn
    async def drop_kept(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore: ...

    def output(self, job: int, after: int) -> tuple[Sequence[str], int]:
        """Tell what the command of a job wrote behind line ``after``, as far as it is kept; and the last line's number.

        Nothing and 0 where it has none, or none is kept any more.
        """
        ...

    async def doctor(self) -> Sequence[types.Check]: ...


class Access(Protocol):
    """How nodes are met by SSH, and whose keys they accept; there whether netbooting is on or off."""

    async def ssh(self, slot: SlotId, *, prove: bool = False) -> types.NodeSsh: ...  # prove: raises SshError
    async def client_keys(self) -> Sequence[types.ClientKey]: ...  # by name
    async def set_client_key(self, name: str, public_key: str, *, by: str) -> types.ClientKey: ...
    async def remove_client_key(self, name: str, *, by: str) -> types.ClientKey: ...  # raises NotFound
    async def install_client_key(self, name: str, slots: Sequence[SlotId], *, by: str) -> Chore: ...  # NotFound
    async def look(self, slots: Sequence[SlotId], user: str) -> Sequence[types.HostKey]: ...  # what nodes show now

    def trust(self, wanted: Mapping[SlotId, str], *, user: str, password: str | None, by: str) -> Chore:
        """Pin the keys with these fingerprints, once the nodes let graped in."""
        ...


class Backend(Protocol):
    """The daemon behind the API. Reads never wait for hardware."""

    @property
    def state(self) -> State: ...  # the current snapshot
    @property
    def clock(self) -> Clock: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def history(self) -> History: ...
    @property
    def simulator(self) -> Simulator | None: ...
    @property
    def provision(self) -> Provision | None: ...  # None: netbooting is off and nothing is stored
    @property
    def access(self) -> Access: ...
    @property
    def operations(self) -> Operations: ...
    @property
    def version(self) -> str: ...
    @property
    def started(self) -> float: ...  # monotonic s

    async def changed(self, revision: int, timeout_s: float) -> State:
        """Wait until the revision differs, at most so long; a job's change is a change."""
        ...

    async def ask_power(
        self,
        verb: Verb,
        slots: tuple[SlotId, ...],
        *,
        by: str,
        force: bool = False,
        off_s: float | None = None,
        request_id: str = "",
    ) -> Job: ...

    async def cancel(self, job_id: int, *, by: str) -> Job | Chore: ...

    def plan_power(
        self, verb: Verb, slots: tuple[SlotId, ...], *, force: bool = False, off_s: float | None = None
    ) -> tuple[Planned, ...]: ...

    def set_roles(self, slots: tuple[SlotId, ...], role: str | None) -> None: ...  # raises ConfigError

    def guard(self, event: GuardEvent) -> None: ...  # raises NotFound, Conflict

    def config_view(self) -> ConfigView: ...
    def check_config(self) -> ConfigReport: ...
    async def reload(self) -> ConfigReport: ...
