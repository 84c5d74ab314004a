"""Nodes for the world of the core: machines that boot, hang, flap, are dead or slow, and outages that are not theirs.

Each node does what a real one does: with power it boots stage by stage, and its signs reach the core only where the way
and the servers are sound. A prober of SSH and the ladder of looks see nothing else. The judge knows the truth: whether
a node is broken itself, or only cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from graped.config.types import Config, Deadlines, Model, Netboot, RecoveryMode, RecoveryPolicy
from graped.core.effects import Effect, LookAtNode, SaveQuarantine, SoftReboot, SwitchPort
from graped.core.events import BootFact, DaemonFault, Event, EvidenceSeen, NodesTrusted, SoftRebootEnded, SshSeen
from graped.core.jobs import Job
from graped.core.recovery_types import BY
from graped.model import SlotId, Stage, Verb
from tests.core.world import World, byte, make_config

POLICY: Final = RecoveryPolicy(
    mode=RecoveryMode.ACT, patience_s=45.0, pause_s=60.0, pause_max_s=600.0, quarantine_after=3,
    max_cycles_per_hour=3, mass_window_s=120.0,
)  # fmt: skip
DEADLINES: Final = Deadlines(powered_s=20, dhcp_s=15, tftp_s=20, kernel_s=20, root_s=30)
BOOT: Final = ((Stage.DHCP, 3.0), (Stage.TFTP, 1.0), (Stage.KERNEL, 8.0), (Stage.ROOT, 3.0), (Stage.UP, 8.0))
LOOK_TAKES_S: Final = 3.0
ROM_TRIES_S: Final = 25.0
RETRY_S: Final = 5.0
LIVING_S: Final = 15.0
LOST_AFTER: Final = 3


class Kind(StrEnum):
    """What of ours is down."""

    NETWORK = "network"  # a switch or cable: nobody hears anybody
    SERVERS = "servers"  # DHCP and TFTP: who boots gets nothing
    NFS = "nfs"  # kernels live and answer pings, systems stand still


CODES: Final = {Kind.NETWORK: "netboot.interface", Kind.SERVERS: "dhcp", Kind.NFS: "nfs"}


@dataclass(frozen=True)
class Outage:
    """One outage; ``stack`` None: everywhere. ``told_after_s``: when the daemon tells it, as a fault of its own.

    That DHCP or TFTP is down has to be told: no node that is up would show it.
    """

    kind: Kind
    begins_s: float
    lasts_s: float
    stack: int | None = None
    told_after_s: float | None = None

    def hits(self, slot: SlotId) -> bool:
        return self.stack in (None, slot.stack)


@dataclass(frozen=True)
class Nature:
    """What is wrong with a node itself: it hangs after ``after_s`` of being up, then on ``hangs`` - 1 later boots.

    ``at``: where it hangs on later boots (UP: again after being up for a while). ``slow``: its boots take longer.
    """

    hangs: int = 0
    after_s: float = 0.0
    at: Stage = Stage.KERNEL
    slow: float = 1.0
    rom: bool = False  # a Pi 3B: its boot ROM halts when nobody answers
    ssh_only: bool = False  # only its SSH hangs; pings are answered
    sick: bool = False  # it lets us in, commands fail
    obeys: bool = True  # a soft reboot works where it is sick

    @property
    def bad(self) -> bool:
        return self.hangs > 0


class Node:
    """A machine in a slot."""

    def __init__(self, nature: Nature) -> None:
        self.nature = nature
        self.on = True
        self.reached = Stage.UP
        self.hung = False
        self.halted = False
        self.boot = 0  # which one
        self.hangs_left = nature.hangs
        self.missed = 0

    def begin(self) -> int:
        """Begin a boot; return its number."""
        self.on, self.reached, self.hung, self.halted = True, Stage.POWERED, False, False
        self.boot += 1
        return self.boot

    def hangs_here(self, stage: Stage) -> bool:
        """Whether it hangs instead of reaching a stage."""
        if self.hangs_left > 0 and self.nature.at is stage is not Stage.UP:
            self.hangs_left -= 1
            return True
        return False


def farm_config(natures: dict[SlotId, Nature], modes: dict[SlotId, RecoveryMode], policy: RecoveryPolicy) -> Config:
    """Configure two boards; natures with ``rom`` are Pis 3B."""
    config = make_config(
        netboot=Netboot(active=True, deadlines=DEADLINES), stagger_s=0.0, inrush_s=0.0, max_booting=96, cycle_off_s=2.0,
        guard_max_s=30.0,
    )  # fmt: skip
    stacks = {
        key: replace(
            stack,
            devices={
                number: replace(
                    device,
                    mac=f"b8:27:eb:00:0{key}:0{number}",
                    recovery=modes.get(SlotId(key, number)),
                    model=Model.PI3B if natures.get(SlotId(key, number), Nature()).rom else Model.PI4,
                )
                for number, device in stack.devices.items()
            },
        )
        for key, stack in config.cluster.stacks.items()
    }
    return replace(config, cluster=replace(config.cluster, stacks=stacks), recovery=policy)


class Farm(World):
    """The world with nodes in it; slots without a nature are off."""

    def __init__(
        self, natures: dict[SlotId, Nature], *, modes: dict[SlotId, RecoveryMode] | None = None,
        policy: RecoveryPolicy = POLICY,
    ) -> None:  # fmt: skip
        self.nodes: dict[SlotId, Node] = {}
        self.down: list[Outage] = []
        self.cuts: dict[SlotId, list[float]] = {}  # by recovery
        self.wrongs: list[str] = []
        self.soft: list[SlotId] = []
        self.quarantines: dict[SlotId, str] = {}
        self.log_times: list[float] = []
        self.looks: list[tuple[float, SlotId]] = []
        self.judged: set[int] = set()
        config = farm_config(natures, modes or {}, policy)
        on = {key: byte(*(slot.slot for slot in natures if slot.stack == key)) for key in config.cluster.stacks}
        super().__init__(config, ports=on, boot_evidence=True, poll_s=60.0)
        for key in self.ports:
            self._read(key)
        self.send(NodesTrusted(slots=frozenset(natures)))
        for slot, nature in natures.items():  # they ran when graped came
            self.nodes[slot] = Node(nature)
            self.stage(slot, Stage.UP, "SSH", initial=True)
            self._live(slot)
            self.at(1.0 + 1.23 * len(self.nodes), lambda slot=slot: self._probe(slot))  # type: ignore[misc]

    # --- the way, and what is down --------------------------------------------------------------------------------

    def plan(self, outage: Outage) -> None:
        """Have an outage happen."""
        self.at(outage.begins_s, lambda: self._begin_outage(outage))
        self.at(outage.begins_s + outage.lasts_s, lambda: self._end_outage(outage))

    def _begin_outage(self, outage: Outage) -> None:
        self.down.append(outage)
        if outage.told_after_s is not None:
            self.at(outage.told_after_s, lambda: self._tell(outage))

    def _tell(self, outage: Outage) -> None:
        if outage in self.down:
            self.send(DaemonFault(code=CODES[outage.kind], message=f"{outage.kind} is down"))

    def _end_outage(self, outage: Outage) -> None:
        self.down.remove(outage)
        if not any(one.told_after_s is not None and one.kind is outage.kind for one in self.down):
            self.send(DaemonFault(code=CODES[outage.kind], message=""))

    def sound(self, slot: SlotId, *kinds: Kind) -> bool:
        return not any(one.hits(slot) and one.kind in kinds for one in self.down)

    # --- machines -------------------------------------------------------------------------------------------------

    def _live(self, slot: SlotId) -> None:
        node = self.nodes[slot]
        boot = node.boot
        if self.may_hang(slot):
            self.at(node.nature.after_s, lambda: self._hang(slot, boot))

    def may_hang(self, slot: SlotId) -> bool:
        """Whether a node that is up is still going to hang."""
        node = self.nodes[slot]
        return node.hangs_left > 0 and (node.boot == 0 or node.nature.at is Stage.UP)

    def _hang(self, slot: SlotId, boot: int) -> None:
        node = self.nodes[slot]
        if node.boot == boot and node.on and not node.hung:
            node.hangs_left -= 1
            node.hung = True

    def power(self, slot: SlotId, on: bool) -> None:
        """Give or take a machine its power."""
        node = self.nodes[slot]
        if on:
            self._next(slot, node.begin(), 0)
        else:
            node.on, node.reached, node.hung, node.halted = False, Stage.OFF, False, False

    def _next(self, slot: SlotId, boot: int, step: int) -> None:
        node = self.nodes[slot]
        self.at(BOOT[step][1] * node.nature.slow, lambda: self._reach(slot, boot, step))

    def _reach(self, slot: SlotId, boot: int, step: int) -> None:
        """Come to the next stage, wait for what it needs, or hang."""
        node, stage = self.nodes[slot], BOOT[step][0]
        if node.boot != boot or not node.on or node.hung or node.halted:
            return
        loads = stage in (Stage.DHCP, Stage.TFTP, Stage.KERNEL)
        needs = (Kind.NETWORK, Kind.SERVERS) if loads else (Kind.NETWORK, Kind.NFS)
        if not self.sound(slot, *needs):
            if node.nature.rom and stage in (Stage.DHCP, Stage.TFTP):
                self.at(ROM_TRIES_S, lambda: self._tried(slot, boot, step))
            else:
                self.at(RETRY_S, lambda: self._reach(slot, boot, step))
        elif node.hangs_here(stage):
            node.hung = True
        else:
            node.reached = stage
            if stage is Stage.UP:
                self._live(slot)
                return
            self.stage(slot, stage, "seen")
            if stage is Stage.DHCP:
                self.fact(slot, BootFact.DISCOVER)
            self._next(slot, boot, step + 1)

    def _tried(self, slot: SlotId, boot: int, step: int) -> None:
        """A boot ROM halts when nobody answered its tries."""
        node = self.nodes[slot]
        if node.boot == boot and node.on and not node.hung:
            if self.sound(slot, Kind.NETWORK, Kind.SERVERS):
                self._reach(slot, boot, step)
            else:
                node.halted = True

    # --- what is seen ---------------------------------------------------------------------------------------------

    def _answers(self, slot: SlotId) -> bool:
        node = self.nodes[slot]
        runs = node.on and node.reached is Stage.UP and (not node.hung or node.nature.sick)
        return runs and self.sound(slot, Kind.NETWORK, Kind.NFS)

    def _probe(self, slot: SlotId) -> None:
        """Ask by SSH as graped.provision.pulse does. A sick node shows its key, but graped cannot work on it."""
        node, stage = self.nodes[slot], self.state.slots[slot].stage
        well = self._answers(slot) and not node.hung
        node.missed = 0 if well else node.missed + 1
        if stage is Stage.UP and node.missed >= LOST_AFTER:
            self.stage(slot, Stage.LOST, "SSH does not answer")
        elif well and stage not in (Stage.UP, Stage.DHCP, Stage.TFTP, Stage.OFF):
            self.stage(slot, Stage.UP, "SSH")
        self.at(LIVING_S if stage is Stage.UP and not node.missed else RETRY_S, lambda: self._probe(slot))

    def look(self, slot: SlotId) -> EvidenceSeen:
        """Climb the ladder."""
        node = self.nodes[slot]
        kernel = node.on and node.reached in (Stage.KERNEL, Stage.ROOT, Stage.UP) and not node.halted
        ssh, command = SshSeen.NONE, None
        ping = kernel and self.sound(slot, Kind.NETWORK)
        if ping and node.hung and not (node.nature.sick or node.nature.ssh_only):
            ping = False
        if ping:
            ssh = SshSeen.SILENT if node.reached is Stage.UP else SshSeen.REFUSED
        if self._answers(slot):
            ssh, command = SshSeen.TRUSTED, not node.hung
        text = f"ping {ping}, SSH {ssh}, command {command}"
        return EvidenceSeen(slot=slot, at=self.now, link=None, ping=ping, ssh=ssh, command=command, text=text)

    # --- the core -------------------------------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        told = len(self.logs)
        super().send(event)
        self.log_times += [self.now] * (len(self.logs) - told)
        for number in self.state.jobs.keys() - self.judged:
            self.judged.add(number)
            self._judge_job(self.state.jobs[number], told)

    def _judge_job(self, job: Job, told: int) -> None:
        """Judge a cycle by recovery when it is decided: the node is broken itself, it may be touched, it is told."""
        if job.by != BY:
            return
        for slot in job.tasks:
            if job.verb is not Verb.CYCLE:
                self.wrongs.append(f"{slot}: {job.verb}")
            node, name = self.nodes.get(slot), f"{self.now:.0f} {slot}"
            if node is None:
                self.wrongs.append(f"{name}: is not wanted on")
                continue
            slow = node.nature.slow > 1 and node.reached is not Stage.UP
            halted = node.halted and self.sound(slot, Kind.NETWORK, Kind.SERVERS)
            if not (node.hung or slow or halted):
                self.wrongs.append(f"{name}: cycled, and nothing is wrong with it: {self.down}")
            if self.state.config.cluster.stacks[slot.stack].devices[slot.slot].recovery not in (None, RecoveryMode.ACT):
                self.wrongs.append(f"{name}: its mode does not allow that")
            self._judge_told(slot, "recovery.cycle", told)

    def _judge_told(self, slot: SlotId, kind: str, told: int) -> None:
        lines = [one for one in self.logs[told:] if one.kind == kind and one.slot == slot]
        if not any(one.fields["evidence"] and one.fields["why"] and one.fields["step"] for one in lines):
            self.wrongs.append(f"{self.now:.0f} {slot}: {kind} without its evidence in the log")

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case LookAtNode():
                self.looks.append((self.now, effect.slot))
                self.at(LOOK_TAKES_S, lambda: self.send(self.look(effect.slot)))
            case SoftReboot():
                self._judge_told(effect.slot, "recovery.soft_reboot", max(0, len(self.logs) - 40))
                self.soft.append(effect.slot)
                self.at(1.0, lambda: self._soft_reboot(effect.slot))
            case SaveQuarantine():
                self._judge_told(effect.slot, "recovery.quarantine", max(0, len(self.logs) - 40))
                self.quarantines[effect.slot] = effect.reason
                self.at(0.1, lambda: self._set_quarantine(effect.slot, effect.reason))
            case _:
                super()._carry_out(effect)

    def _soft_reboot(self, slot: SlotId) -> None:
        node = self.nodes[slot]
        obeys = node.nature.obeys and self._answers(slot)
        if obeys:
            self._next(slot, node.begin(), 0)
        self.send(SoftRebootEnded(slot=slot, done=obeys, note="" if obeys else "no session"))

    def _set_quarantine(self, slot: SlotId, reason: str) -> None:
        """Set it for its device, as the daemon does."""
        config = self.state.config
        stack = config.cluster.stacks[slot.stack]
        devices = {**stack.devices, slot.slot: replace(stack.devices[slot.slot], quarantine=reason or None)}
        stacks = {**config.cluster.stacks, slot.stack: replace(stack, devices=devices)}
        self.configure(replace(config, cluster=replace(config.cluster, stacks=stacks)))

    def _byte(self, effect: SwitchPort, writes: int, repairs: int) -> None:
        layout = self.ports[effect.stack]
        before = {slot for slot in layout.layout.bits if layout.is_on(slot)}
        super()._byte(effect, writes, repairs)
        after = {slot for slot in layout.layout.bits if layout.is_on(slot)}
        for number in before ^ after:
            slot = SlotId(effect.stack, number)
            if slot not in self.nodes:
                self.wrongs.append(f"{self.now:.0f} {slot}: switched, and nobody wanted that")
                continue
            claim = self.state.claims.get(slot)
            if number in before and claim is not None and self.state.jobs[claim].by == BY:
                self.cuts.setdefault(slot, []).append(self.now)
            self.power(slot, number in after)
