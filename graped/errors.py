"""One tree of errors. ``code`` is part of the API and is never renamed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # grapecli imports this at each start: typing and dataclasses would cost a third of it
    from typing import ClassVar


class GrapeError(Exception):
    """Say what was being done to what, what happened, and (``hint``) what helps."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong inside graped"

    def __init__(self, detail: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.fields = fields


# --- requests -----------------------------------------------------------------------------------------


class RequestError(GrapeError):
    """The caller asked for something that cannot be asked for."""

    code = "bad_request"
    title = "The request cannot be understood"


class NoTarget(RequestError):
    """No node was named. No target never means all."""

    code = "no_target"
    title = "No node was named"


class BadNodeSet(RequestError):
    """A node set that cannot be parsed."""

    code = "bad_nodeset"
    title = "The node set cannot be parsed"


class UnknownNode(RequestError):
    """A name that no node of this cluster has."""

    code = "unknown_node"
    title = "No such node"


class NotFound(RequestError):
    """A stack, job or event that does not exist."""

    code = "not_found"
    title = "No such thing"


class Conflict(RequestError):
    """The request is well-formed but the state of the cluster forbids it."""

    code = "conflict"
    title = "Not possible now"


class SharedRelay(Conflict):
    """Some, not all, of the slots behind one relay were named."""

    code = "shared_relay"
    title = "These slots share one relay"


class OverBudget(Conflict):
    """A slot whose watts can never fit into its stack's budget."""

    code = "over_budget"
    title = "The watt budget can never hold this slot"


class NotSimulated(Conflict):
    """A simulator request to a daemon that runs real hardware."""

    code = "not_simulated"
    title = "This daemon does not simulate"


class TooLarge(RequestError):
    """A request body over the limit."""

    code = "too_large"
    title = "The request body is too large"


# --- images, roots, servers -----------------------------------------------------------------------------


class BadImage(RequestError):
    """What was given is no image that a node could boot: truncated, no Linux in it, names that lead out of it."""

    code = "bad_image"
    title = "This cannot be used as an image"


class InUse(Conflict):
    """An image or root that somebody needs."""

    code = "in_use"
    title = "Still in use"


class Damaged(Conflict):
    """An image version that is not what it was when it was made."""

    code = "damaged"
    title = "The image is damaged"


class NodeOn(Conflict):
    """Something that needs the node to be off."""

    code = "node_on"
    title = "The node is on"


class NodeOff(Conflict):
    """Something that needs the node to be on: nobody is there to be asked."""

    code = "node_off"
    title = "The node is off"


class NetbootOff(Conflict):
    """A netboot request to a daemon whose ``netboot.active`` is false."""

    code = "netboot_off"
    title = "Netbooting is not switched on"


class Cancelled(Conflict):
    """Long work was cancelled; what it had begun is undone."""

    code = "cancelled"
    title = "Cancelled"


class Stopping(Conflict):
    """What was asked for is not done any more: graped is being stopped."""

    code = "stopping"
    title = "graped is stopping"


class RolloutStopped(GrapeError):
    """A node did not come through what all were to go through; the others were not begun."""

    code = "rollout_stopped"
    title = "Stopped after a failure"


class ServerError(GrapeError):
    """A DHCP, TFTP or NFS server, or the network it serves, is not as it should be."""

    code = "server"
    title = "A server of the cluster does not work"


# --- configuration ------------------------------------------------------------------------------------


class Problem:
    """One mistake in the configuration: a value, never changed.

    ``key`` is a key path, or line and column where the file is not TOML at all. With no ``found``, ``expected`` is a
    whole sentence. ``nearest`` is the valid key or word that was perhaps meant.
    """

    __slots__ = ("expected", "file", "found", "key", "nearest")

    def __init__(self, *, file: str, key: str, expected: str, found: str = "", nearest: str = "") -> None:
        self.file = file
        self.key = key
        self.expected = expected
        self.found = found
        self.nearest = nearest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return f"Problem({self})"

    def _all(self) -> tuple[str, ...]:
        return (self.file, self.key, self.expected, self.found, self.nearest)

    def __str__(self) -> str:
        """One readable line."""
        place = ": ".join(part for part in (self.file, self.key) if part)
        what = f"expected {self.expected}, found {self.found}" if self.found else self.expected
        return f"{place}: {what}" + (f"; did you mean '{self.nearest}'?" if self.nearest else "")


class ConfigError(GrapeError):
    """One or more mistakes in the configuration, all of them at once (``problems``)."""

    code = "bad_config"
    title = "The configuration has errors"

    def __init__(self, detail: str, *, problems: tuple[Problem, ...] = (), hint: str = "", **fields: object) -> None:
        super().__init__(detail, hint=hint, **fields)
        self.problems = problems


# --- hardware -----------------------------------------------------------------------------------------


class HardwareError(GrapeError):
    """A chip, bus or pin did not do what was asked."""

    code = "hardware"
    title = "The hardware did not answer as it should"


class BusError(HardwareError):
    """One I2C transaction failed. ``transient`` says whether asking again can help."""

    code = "bus"
    transient: ClassVar[bool] = True


class BusNack(BusError):
    """Nobody acknowledged the address (EREMOTEIO 121 on a Pi, ENODEV or ENXIO elsewhere)."""

    code = "bus_nack"


class BusTimeout(BusError):
    """The transaction did not end in time (ETIMEDOUT 110)."""

    code = "bus_timeout"


class BusMissing(BusError):
    """There is no such bus on this machine."""

    code = "bus_missing"
    transient = False


class PortUnsure(HardwareError):
    """Repeated reads of a power port disagree: its value is unknown."""

    code = "port_unsure"


class PinError(HardwareError):
    """A GPIO line cannot be used as asked."""

    code = "pin"


class DriverError(HardwareError):
    """A power driver's own failure, e.g. a command that exited with an error."""

    code = "driver"


class DriverTimeout(DriverError):
    """A power driver's command was stopped because it did not end in its time."""


# --- SSH to the nodes -----------------------------------------------------------------------------------


class SshError(GrapeError):
    """Nobody could log in on a node, or what was done there broke off. ``fields["node"]`` names it."""

    code = "ssh"
    title = "A node cannot be reached by SSH"


class Untrusted(SshError):
    """No host key is pinned for the node: nobody knows who would answer."""

    code = "untrusted"
    title = "The node's host key is not known"


class HostKeyChanged(SshError):
    """Somebody answers with a host key that is not the pinned one. ``fields["key"]``: the key shown, "" unknown."""

    code = "host_key_changed"
    title = "The node shows another host key"


class SshRefused(SshError):
    """The machine is there, and nobody listens on the port."""

    code = "ssh_refused"
    title = "The node's SSH port is closed"


class SshDenied(SshError):
    """The node does not let us in: neither our key nor the password is good there."""

    code = "ssh_denied"
    title = "The node does not let us in"


class SshTimeout(SshError):
    """Nothing came back in time, or there is no way to the address."""

    code = "ssh_timeout"
    title = "The node does not answer"


class SshFailed(SshError):
    """Anything else: no SSH at the other end, no common algorithms, a connection that broke off."""

    code = "ssh_failed"
    title = "SSH to the node failed"


class PingForbidden(GrapeError):
    """The kernel lets this process send no pings."""

    code = "ping_forbidden"
    title = "graped cannot ping"


# --- the machine --------------------------------------------------------------------------------------


class CommandFailed(GrapeError):
    """Another program could not be started, or did not end as it should."""

    code = "command"
    title = "A program that graped runs has failed"


class CommandTimeout(CommandFailed):
    """A program was stopped because it did not end in its time."""


class NoLed(CommandFailed):
    """A node has no LED that it can blink."""

    code = "no_led"
    title = "The node has no LED to blink"


class CommandEnded(CommandTimeout):
    """A command on a node was ended because it did not end in the time that was given for it."""

    code = "command_timeout"
    title = "The command did not end in time"


class NoSpace(Conflict):
    """A file system has too little room for what was asked."""

    code = "no_space"
    title = "Not enough free space"


class StoreError(GrapeError):
    """The database cannot record or tell something."""

    code = "store"
    title = "graped cannot record"


class SocketInUse(GrapeError):
    """Another daemon answers on our socket."""

    code = "socket_in_use"
    title = "Another graped is running"


class Unreachable(GrapeError):
    """The client cannot reach graped."""

    code = "unreachable"
    title = "graped cannot be reached"


class AccessDenied(GrapeError):
    """The socket is there, but this user may not use it."""

    code = "access_denied"
    title = "Not allowed to talk to graped"


class TimedOut(GrapeError):
    """What was waited for did not happen in the time given."""

    code = "timed_out"
    title = "Time ran out"
