"""The validated configuration: plain frozen dataclasses that every layer may read.

Built only by :mod:`graped.config.load`; the defaults here are the documented ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from graped.model import SlotId


class AtStart(StrEnum):
    """What to do after a real outage (every port found at its power-on value)."""

    ADOPT = "adopt"  # nothing: what is, is what is wanted
    RESTORE = "restore"  # switch on again what was last wanted on
    ON = "on"  # switch on every node


class Model(StrEnum):
    """What kind of machine a node is: it decides how it netboots."""

    PI3B = "3b"
    PI3BPLUS = "3b+"
    PI4 = "4"
    PI5 = "5"
    PXE = "pxe"  # an ordinary machine: iPXE with a script of its own


class Boot(StrEnum):
    """Where a node boots from."""

    NETWORK = "network"
    LOCAL = "local"  # its own SD card or disk


class Role(StrEnum):
    """What a node is in the Docker swarm."""

    WORKER = "worker"
    MANAGER = "manager"  # one of three or five, together with the master


class RecoveryMode(StrEnum):
    """What is done about a node in trouble."""

    OFF = "off"
    ADVISE = "advise"  # told what would be done
    ACT = "act"


class Strategy(StrEnum):
    """How a node gets a root of its own from a shared image."""

    AUTO = "auto"  # the first of overlay, btrfs, reflink, copy that the file system can do
    OVERLAY = "overlay"  # overlayfs on the master, exported over NFS
    BTRFS = "btrfs"  # a snapshot of the image's subvolume
    REFLINK = "reflink"  # a copy that shares blocks
    COPY = "copy"
    EPHEMERAL = "ephemeral"  # the image read-only, changes in the node's RAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The node in one slot."""

    mac: str | None = None  # lower case, colons
    name: str | None = None  # default worker-<stack>-<slot>
    watts: float | None = None  # expected while running; default power.node_watts
    address: IPv4Address | None = None  # default: by stack and slot, from netboot.first_host on
    model: Model | None = None  # None: told by its DHCP requests
    serial: str | None = None  # 8 hex digits: a second name of its TFTP folder
    boot: Boot = Boot.NETWORK
    image: str | None = None  # "bookworm" (its newest version) or "bookworm@3f9c2a"; default netboot.image
    strategy: Strategy | None = None  # default netboot.strategy
    docker_gb: float | None = None  # a volume for /var/lib/docker; default netboot.docker_gb
    role: Role = Role.WORKER  # in the Docker swarm
    recovery: RecoveryMode | None = None  # default recovery.mode
    quarantine: str | None = None  # why recovery leaves it alone; None or "": it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One board with an address, or whatever its driver switches."""

    driver: str = "stack"
    bus: int | None = None  # None: probed (keys 0-7) or 1 (keys 8-15)
    address: int | None = None  # None: key mod 8
    meter: bool | None = None  # None: looked for where the board allows one
    shunt_ohms: float = 0.02
    budget_watts: float | None = None
    options: Any = None  # an instance of the driver's options dataclass
    devices: dict[int, Device] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All stacks, by their keys 0-15."""

    name: str = "grape"
    stacks: dict[int, Stack] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPolicy:
    """Who may be switched when. Seconds, watts, counts."""

    at_start: AtStart = AtStart.ADOPT
    stagger_s: float = 0.5  # between two slots of one stack
    inrush_s: float = 2.0  # a slot counts as drawing its inrush for so long
    max_inrush: int = 4  # slots in their inrush window at once, whole cluster
    max_booting: int = 8  # slots between power-on and their boot gate, whole cluster
    boot_gate_s: float = 120.0  # a node that shows no progress for so long frees its place
    node_watts: float = 7.0  # expected of a node whose device says nothing
    cycle_off_s: float = 5.0
    guard_max_s: float = 120.0
    soft_off_max_s: float = 60.0
    settle_s: float = 2.0  # from the end of a system's network to the cut: its file systems are unmounted after it
    give_up_s: float = 60.0  # a slot whose stack does not answer for so long fails its job


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How often hardware is asked."""

    power_s: float = 1.0
    meters_s: float = 5.0
    retry_max_s: float = 10.0  # what does not answer is asked again at growing intervals up to this


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """I2C transactions."""

    deadline_s: float = 0.25  # one operation on one stack, retries included; below poll.power_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The Unix socket."""

    socket: Path = Path("/run/grape/graped.sock")
    group: str = "grape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What is kept for how long."""

    state_dir: Path = Path("/var/lib/grape")
    flush_s: float = 10.0
    events_days: float = 90.0
    meters_raw_hours: float = 24.0
    meters_days: float = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """The optional LCD board."""

    enabled: bool | None = None  # None: looked for
    bus: int | None = None  # None: both are asked
    address: int = 0x20
    refresh_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpio:
    """The two interrupt lines (BCM numbers); None switches one off."""

    display_pin: int | None = 17
    overtemp_pin: int | None = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """Written to each stack's temperature chip, and when to cut power. Degrees Celsius."""

    overtemp_celsius: float = 70.0  # T_OS
    hysteresis_celsius: float = 65.0  # T_HYST
    emergency_celsius: float | None = None  # None: alarm only, never cut


class Supervisor(StrEnum):
    """Who starts the servers of the cluster, and keeps them running."""

    SYSTEMD = "systemd"  # units of their own; graped writes files and reloads them
    PROCESS = "process"  # detached processes of graped, adopted at its next start


class NfsServer(StrEnum):
    """Which NFS server exports the roots."""

    KERNEL = "kernel"
    GANESHA = "ganesha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a node may stay in a boot stage before it is called late. Seconds."""

    powered_s: float = 60.0
    dhcp_s: float = 30.0
    tftp_s: float = 120.0
    kernel_s: float = 60.0
    root_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """What an image gets to boot over the network; see graped/README.md."""

    files: dict[str, str] = field(default_factory=dict)  # path in the image -> file on the master
    scripts: tuple[str, ...] = ()  # on the master; run inside the image, in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Netboot:
    """DHCP, TFTP, NFS, and the roots they serve."""

    active: bool = False
    interface: str | None = None  # on which the nodes are; no default, it must be said
    address: IPv4Interface | None = None  # the master's on it, with its network: 10.77.0.1/24
    first_host: int = 10  # stack 0 slot 0 has network + first_host, then six a stack
    i_own_this_lan: bool = False  # needed where the interface carries the default route
    supervisor: Supervisor = Supervisor.SYSTEMD
    nfs: NfsServer = NfsServer.KERNEL
    folder: Path | None = None  # images, roots, TFTP; default: netboot in store.state_dir
    image: str | None = None  # of nodes that name none
    strategy: Strategy = Strategy.AUTO
    docker_gb: float = 0.0  # size of the volume that each node gets for /var/lib/docker; 0: none
    domain: str = "grape"
    dns: tuple[IPv4Address, ...] = ()  # default: the master
    ntp: tuple[IPv4Address, ...] = ()  # default: the master
    tftp_max: int = 150  # transfers at once
    kernel_args: str = ""  # more words for cmdline.txt
    config_txt: tuple[str, ...] = ()  # more lines for config.txt
    console: bool = True  # nodes send what their kernel and services say; see grapecli node log
    syslog_port: int = 514  # where the master hears that (UDP)
    netconsole_port: int = 6666
    deadlines: Deadlines = Deadlines()
    prepare: Prepare = Prepare()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """How nodes are reached, and who may log in on them."""

    user: str = "root"
    port: int = 22
    authorized_keys: tuple[str, ...] = ()  # public keys that every netbooted node accepts
    facts_s: float = 300.0  # how often nodes are asked for their facts; 0: only when somebody asks


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPolicy:
    """What is done about nodes in trouble; see graped.core.recovery. Seconds, counts."""

    mode: RecoveryMode = RecoveryMode.ADVISE  # of nodes that say nothing else
    patience_s: float = 60.0  # a node that is lost or late may come by itself for so long
    max_cycles_per_hour: int = 3  # of one node
    pause_s: float = 120.0  # from one cycle to the next; doubled with each one
    pause_max_s: float = 1800.0  # at most; and a node that was well for so long begins anew
    quarantine_after: int = 3  # cycles that brought nothing
    mass_fraction: float = 0.5  # more than this part of a stack or of all in trouble together: not the nodes
    mass_window_s: float = 120.0  # together: within so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Elastic:
    """When grape_docker switches nodes on and off by what the swarm has to do."""

    active: bool = False
    nodes: str = "@all"  # a node set: whom it may switch
    min_nodes: int = 0  # of these stay on
    max_nodes: int = 96
    quiet_s: float = 300.0  # a node without tasks for so long is switched off
    max_watts: float | None = None  # expected draw of all that is on; None: only the stacks' budgets count


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """What grape_docker does; graped only judges it and hands it out."""

    advertise: IPv4Address | None = None  # the master's in the swarm; default: netboot.address
    data_path: IPv4Address | None = None  # for what containers say to each other; default: advertise
    address_pool: tuple[IPv4Network, ...] = ()  # of overlay networks; default: Docker's own
    subnet_bits: int = 24  # of each network out of the pool
    heartbeat_s: float = 5.0  # of nodes to the managers: three that stay out, and a node is down
    min_version: str = "20.10"
    install: bool = True  # install Docker on nodes that have none
    debs: Path | None = None  # Debian packages on the master to install it from; default: the node's own sources
    drain_s: float = 90.0  # how long a node's tasks may take to be elsewhere before its power goes
    forget_s: float = 300.0  # the entry of a node that is off goes after so long
    master_tasks: bool = True  # the master takes tasks too
    take_over: bool = False  # nodes that are in another swarm
    retry_s: float = 5.0  # a node that failed is tried again after so long, then at growing intervals
    retry_max_s: float = 300.0
    registry: bool = False  # nodes trust and use the registry of the master
    registry_port: int = 5000
    elastic: Elastic = Elastic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything, validated."""

    cluster: Cluster = Cluster()
    power: PowerPolicy = PowerPolicy()
    poll: Poll = Poll()
    bus: Bus = Bus()
    api: Api = Api()
    store: Store = Store()
    display: Display = Display()
    gpio: Gpio = Gpio()
    temperature: Temperature = Temperature()
    netboot: Netboot = Netboot()
    ssh: Ssh = Ssh()
    recovery: RecoveryPolicy = RecoveryPolicy()
    docker: Docker = Docker()

    def address_of(self, key: int) -> int:
        """The address of a stack on its bus (0-7)."""
        address = self.cluster.stacks[key].address
        return key % 8 if address is None else address

    def node_name(self, slot: SlotId) -> str:
        """The name of a slot's node."""
        device = self.cluster.stacks[slot.stack].devices.get(slot.slot)
        return device.name if device and device.name else slot.default_name

    def watts_of(self, slot: SlotId) -> float:
        """What the node in a slot is expected to draw."""
        device = self.cluster.stacks[slot.stack].devices.get(slot.slot)
        return device.watts if device and device.watts is not None else self.power.node_watts


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSpec:
    """What a power driver tells the configuration and the daemon: the object behind its entry point.

    ``options`` is a frozen dataclass; a stack's ``options`` table is validated against it and replaced by an
    instance. ``slots(options)`` are the slots it switches. ``pins(options)`` maps an option path ("pins.3") to the
    BCM pin it claims. ``build(key, stack, resources)`` makes the driver (see hardware.drivers.registry).
    ``groups(options)`` are the slots that it can only switch together.
    """

    options: type
    slots: Callable[[Any], frozenset[int]]
    pins: Callable[[Any], dict[str, int]]
    build: Callable[..., Any]
    groups: Callable[[Any], tuple[frozenset[int], ...]] = lambda _: ()
    board: bool = False  # the Grape stack: bus, address, meter and temperature make sense
