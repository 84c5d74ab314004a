"""Judge every byte that was sent to a power port. Pure: a trace and evidence in, a verdict out.

For each ``send_byte`` and each slot that the byte asks to change, compared with what the port showed when graped read
it last, in this order:

1. a job that is open for the slot asked for just this: *asked*;
2. the byte before it arrived changed by one bit, and this is exactly the same byte again: *repaired*;
3. a pin was held, or the stack lost its power right behind the byte, which looks like 2: *counted apart*;
4. anything else is a violation.

Besides: nothing but send and receive byte; six equal reads before each byte, and true ones (else a flipped read led to
a write); no byte for nothing; a byte that arrived changed is repaired before anything else is written; a fulfilled job
asks for nothing any more; slots come on one at a time in a stack, and staggered. What changed between the last read
and the byte is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.campaign.evidence import LAST_FRAME_S, Command, Crashed, Evidence, Verdict, life_at
from tests.campaign.pace import Pace
from tests.campaign.wire import ALL_OFF, Line, Purpose, Slot, changed_slots, is_on, purpose_of

EQUAL_READS = 6
STEADY_READS = 3  # who read a byte so often in a row knows that it arrived
SURELY_VERIFIED = 2 * EQUAL_READS  # true reads in a row, in whatever sessions: one of these must have counted
REPAIR_S = 1.0  # a pin that is held within so long after a byte may have kept it from being repaired
GRACE_S = 1.0  # a byte on its way is not called back when its job is superseded or cancelled


@dataclass(slots=True)
class _Landed:
    """A slot that a job has switched, and how often in a row that was read truly since."""

    job: int
    on: bool
    reads: int = 0
    sure: bool = False


@dataclass(slots=True)
class _Port:
    """One power port as the trace goes by."""

    stack: int
    shown: int | None = None  # its pins after the last line
    reads: list[Line] = field(default_factory=list)  # those that succeeded since the last byte, of one purpose
    changed: Line | None = None  # a byte that arrived changed and is not repaired yet
    origin: int = 0  # what that byte was planned over when it was sent first
    sent: Line | None = None  # the last byte
    steady: bool = False  # whether it was read three times in a row since
    own: bool = False  # whether only the session that sent it has read since
    known: bool = False  # whether what became of it was read back for sure
    landed: dict[int, _Landed] = field(default_factory=dict)


class ByteJudge:
    """Feed it lines in order, then :meth:`close`."""

    def __init__(self, evidence: Evidence) -> None:
        self.verdict = Verdict()
        self._evidence = evidence
        self._ports = {place: _Port(stack) for place, stack in evidence.places.items()}
        self._pace = Pace(evidence, self.verdict)
        self.latest_s = 0.0  # how long after its job's end a byte went out at most
        self.slowest_repair_s = 0.0
        self.crashed: list[Crashed] = []

    def feed(self, line: Line) -> None:
        """Judge one line."""
        self.verdict.counts["transactions"] += 1
        self.verdict.counts[f"fault: {line.fault.split(':')[0]}"] += bool(line.fault)
        if line.op not in ("send_byte", "receive_byte"):
            self.verdict.blame(f"{line.op} at a power port's address", line)
            return
        port = self._ports.get(line.place)
        if port is None:
            if line.op == "send_byte":
                self.verdict.blame("a byte sent to where no port is known", line)
            return
        self._notice_nature(port, line)
        if line.op == "receive_byte":
            self._read(port, line)
        else:
            self._sent(port, line)
        port.shown = line.after

    def close(self) -> Verdict:
        """Judge what the end of the trace leaves open."""
        for port in self._ports.values():
            if port.changed is not None:
                self._unrepaired(port, port.changed)
        return self.verdict

    # --- between the lines --------------------------------------------------------------------------------

    def _notice_nature(self, port: _Port, line: Line) -> None:
        """A port that shows something else than after the last line changed by itself."""
        changed = port.changed
        if changed is not None and life_at(self._evidence.lives, line.t) != self._life(changed):
            self._unrepaired(port, changed)
        if port.shown is not None and line.before != port.shown:
            self.verdict.counts["port changed by itself"] += 1
            number = self._life(line)
            if number is not None and line.before is not None:
                self._pace.nature(port.stack, line.before, number)
            if port.changed is not None and line.op == "receive_byte":  # before a byte, nobody could see it any more
                self.verdict.counts["changed on its way, then changed by itself"] += 1
                port.changed = None

    def _unrepaired(self, port: _Port, line: Line) -> None:
        """A byte that arrived changed was never repaired: excused by death, and where it looks like an outage."""
        port.changed = None
        number = self._life(line)
        if number is not None and self._evidence.lives[number].killed:
            self.verdict.counts["changed on its way, then killed"] += 1
            self.crashed.append(Crashed(stack=port.stack, line=line))
        elif excuse := self._excuse(port, line, line.t + REPAIR_S):
            self.verdict.counts[f"changed on its way {excuse}"] += 1
        else:
            self.verdict.blame("a byte arrived changed and was never repaired", line)

    def _excuse(self, port: _Port, line: Line, until: float) -> str:
        """Why a byte that arrived changed may stay unrepaired, though graped lived on."""
        if line.after == ALL_OFF and not port.known:
            return "into what looks like an outage"  # and nobody else used the bus before it could be read back
        return "while a pin was held" if self._is_held(port, line.t, until) else ""

    def _is_held(self, port: _Port, since: float, until: float) -> bool:
        pins = (one for one in self._evidence.stuck if one.stack == port.stack)
        return any(one.since <= until and since <= one.until for one in pins)

    def _life(self, line: Line) -> int | None:
        """Number the life a line belongs to; a dead one's last frame may wait for the bus while the next one starts."""
        lives, number = self._evidence.lives, life_at(self._evidence.lives, line.t)
        purpose = purpose_of(line.by)
        if not number or purpose is None or line.t > lives[number - 1].end + LAST_FRAME_S:
            return number
        command = self._evidence.commands.get(purpose.jobs[0])
        earlier = command is not None and life_at(lives, command.asked) == number - 1
        return number - 1 if earlier else number

    # --- reads --------------------------------------------------------------------------------------------

    def _read(self, port: _Port, line: Line) -> None:
        if line.result != "ok":
            return
        if port.reads and port.reads[-1].by != line.by:
            port.reads.clear()
        port.reads.append(line)
        sent, last = port.sent, port.reads[-STEADY_READS:]
        if sent is not None and len(last) == STEADY_READS and all(read.data == sent.data for read in last):
            port.steady = True
        last = port.reads[-EQUAL_READS:]
        if (
            sent is not None
            and sent.by == line.by
            and len(last) == EQUAL_READS
            and len({one.data for one in last}) == 1
        ):
            port.known = True
        true = line.data == line.before
        self.verdict.counts["reads"] += 1
        self.verdict.counts["false reads"] += not true
        assert line.before is not None
        for slot, landed in port.landed.items():
            shown = is_on(line.before, slot)
            landed.reads = landed.reads + 1 if true and shown is landed.on else 0
            landed.sure = landed.sure or landed.reads >= SURELY_VERIFIED

    # --- bytes --------------------------------------------------------------------------------------------

    def _sent(self, port: _Port, line: Line) -> None:
        self.verdict.counts["bytes sent"] += 1
        base, changed = self._base(port, line), port.changed
        port.reads, port.changed = [], None
        purpose, number = purpose_of(line.by), self._life(line)
        assert line.data is not None
        assert line.before is not None
        assert line.after is not None
        if purpose is None or purpose.stack != port.stack or number is None:
            self.verdict.blame("a byte that nobody asked for", line)
            return
        if base is None:
            return
        if base == line.data:
            self.verdict.blame("a byte for nothing: the port showed it already", line)
        if changed is not None:
            self._repair(port, changed, line)
        asked = {}
        again = changed is not None and line.data == changed.data and base == changed.after
        for slot, on in changed_slots(base, line.data).items():
            if again and is_on(port.origin, slot) is on:
                self.verdict.counts["slots repaired"] += 1
            elif cause := self._looked_flipped(port, base, line):
                self.verdict.counts[f"{cause} that looked like a flipped bit"] += 1
            elif self._asked(port, slot, on, purpose, line):
                asked[slot] = on
            else:
                self.verdict.blame(f"slot {slot} of stack {port.stack} is switched {_word(on)}, unasked", line)
        self._arrived(port, line, base, asked, changed if again else None)
        port.sent, port.steady, port.own, port.known = line, False, True, False
        self._pace.byte(port.stack, line, asked, number)

    def _base(self, port: _Port, line: Line) -> int | None:
        """What the port showed by the reads before this byte, judged against the truth."""
        reads = port.reads
        if not reads or reads[-1].by != line.by or len(reads) < EQUAL_READS:
            self.verdict.blame("a byte without six reads before it", line)
            return None
        seen = {read.data for read in reads[-EQUAL_READS:]}
        if len(seen) > 1:
            self.verdict.blame("a byte after reads that disagree", line)
            return None
        last = reads[-1]
        if last.data != last.before:
            self.verdict.blame("a flipped read led to a write", line)
            return None
        if line.before != last.before:
            self.verdict.counts["changed between read and byte"] += 1
        return last.before

    def _looked_flipped(self, port: _Port, base: int, line: Line) -> str:
        """Why this may be the last byte again, over what one flipped bit would have made of it but something else did.

        An outage that three reads of the byte came before can be told from a flipped bit; a stuck pin never can.
        """
        sent = port.sent
        if sent is None or sent.data != line.data or self._life(sent) != self._life(line):
            return ""
        assert sent.data is not None
        if len(changed_slots(base, sent.data)) != 1:
            return ""
        if self._is_held(port, line.t, line.t):
            return "stuck pins"
        return "outages" if base == ALL_OFF and not port.steady else ""

    def _repair(self, port: _Port, changed: Line, line: Line) -> None:
        if line.data != changed.data and (excuse := self._excuse(port, changed, line.t)):
            self.verdict.counts[f"changed on its way {excuse}"] += 1
            return
        if line.data != changed.data:
            self.verdict.blame(f"a byte arrived changed (line {changed.number}) and another one was sent", line)
        self.verdict.counts["bytes repaired"] += 1
        self.slowest_repair_s = max(self.slowest_repair_s, line.t - changed.t)

    def _asked(self, port: _Port, slot: int, on: bool, purpose: Purpose, line: Line) -> bool:
        """Whether one of the jobs that the byte is said to be for asks for just this now."""
        for number in purpose.jobs:
            command = self._evidence.commands.get(number)
            if command is None or not self._is_open(command, (port.stack, slot), on, line):
                continue
            landed = port.landed.get(slot)
            if landed and landed.job == number and landed.on is on and landed.sure:
                self.verdict.blame(f"job {number} had switched slot {slot} {_word(on)} already", line)
            self.verdict.counts["slots switched as asked"] += 1
            return True
        return False

    def _is_open(self, command: Command, slot: Slot, on: bool, line: Line) -> bool:
        if slot not in command.slots or command.verb not in (_word(on), "cycle"):
            return False
        late = line.t - command.open_until(slot)
        if line.t < command.asked or late > GRACE_S or life_at(self._evidence.lives, command.asked) != self._life(line):
            return False
        self.latest_s = max(self.latest_s, late)
        return True

    def _arrived(self, port: _Port, line: Line, base: int, asked: dict[int, bool], before: Line | None) -> None:
        """Note what the byte made of the port; ``base``: what it was planned over, ``before``: which one it repairs."""
        purpose = purpose_of(line.by)
        assert purpose is not None
        assert line.before is not None
        assert line.after is not None
        moved = changed_slots(line.before, line.after)
        for slot, on in moved.items():
            if slot in port.landed and port.landed[slot].on is not on:
                del port.landed[slot]  # a bit that flipped on the way undid it: it may be switched again
        for slot, on in asked.items():
            if moved.get(slot) is on:
                number = next(n for n in purpose.jobs if (port.stack, slot) in self._evidence.commands[n].slots)
                port.landed[slot] = _Landed(number, on)
        origin = base if before is None else port.origin
        if line.flipped and line.after not in (line.before, line.data):
            self.verdict.counts["bytes that arrived changed"] += 1
            if any(slot not in asked for slot in moved):
                self.verdict.counts["bytes that switched another slot on their way"] += 1
            if line.after != origin:  # else everything is as before
                port.changed, port.origin = line, origin
        elif before is not None and line.after == before.after != line.data:
            port.changed = before  # this one never arrived


def _word(on: bool) -> str:
    return "on" if on else "off"


def judge_bytes(lines: Iterable[Line], evidence: Evidence) -> Verdict:
    """Judge a whole trace."""
    judge = ByteJudge(evidence)
    for line in lines:
        judge.feed(line)
    return judge.close()
