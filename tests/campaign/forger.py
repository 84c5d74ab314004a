"""Forged traces: what a test of the judge writes instead of a rack."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.campaign.evidence import Command, Evidence, Life, Outage, Stuck, Verdict
from tests.campaign.judge import judge_bytes
from tests.campaign.wire import BIT_OF_SLOT, Line

PORT = (0, 0x38)
SWITCH = "switch stack 0 for job 1"
OFF, A_ON, B_ON, BOTH_ON = 0xFF, 0xFD, 0xBF, 0xBD  # slots 0 and 1 of stack 0
STEP_S = 0.001


def flip(value: int, slot: int) -> int:
    return value ^ 1 << BIT_OF_SLOT[slot]


@dataclass
class Forger:
    """Writes traces of one port, a millisecond a line."""

    port: int = OFF
    now: float = 10.0
    lines: list[Line] = field(default_factory=list)
    commands: dict[int, Command] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=lambda: [Life(start=0.0, end=100.0)])
    outages: list[Outage] = field(default_factory=list)
    stuck: list[Stuck] = field(default_factory=list)

    def job(self, verb: str, *slots: int, number: int = 1, **more: float) -> Command:
        command = Command(
            id=number, verb=verb, slots=frozenset((0, slot) for slot in slots), asked=more.get("asked", self.now),
            ended=more.get("ended"),
        )  # fmt: skip
        self.commands[number] = command
        return command

    def line(
        self, op: str, data: int | None, after: int, *, result: str = "ok", by: str = SWITCH, fault: str = ""
    ) -> None:
        number = len(self.lines) + 1
        line = Line(number=number, t=self.now, place=PORT, op=op, data=data, result=result, by=by, fault=fault)
        self.lines.append(replace(line, before=self.port, after=after))
        self.port = after
        self.now += STEP_S

    def read(self, times: int = 6, *, false: int | None = None, by: str = SWITCH) -> Forger:
        for _ in range(times):
            data = self.port if false is None else false
            self.line("receive_byte", data, self.port, by=by, fault="" if false is None else "flip:1")
        return self

    def send(self, data: int, *, arrives: int | None = None, by: str = SWITCH, fault: str = "") -> Forger:
        arrived = data if arrives is None else arrives
        self.line("send_byte", data, arrived, by=by, fault=fault or ("" if arrived == data else "flip:1"))
        return self

    def lose_power(self) -> Forger:
        self.outages.append(Outage(t=self.now - STEP_S / 2, stack=0, port=self.port))
        self.port = OFF
        return self

    def wait(self, seconds: float) -> Forger:
        self.now += seconds
        return self

    def evidence(self, **more: object) -> Evidence:
        return Evidence(
            places={PORT: 0}, commands=self.commands, lives=self.lives, outages=self.outages, stuck=self.stuck,
            stagger_s=0.02, inrush_s=0.06, max_inrush=2, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def judged(self) -> Verdict:
        return judge_bytes(self.lines, self.evidence())

    def blamed(self) -> list[str]:
        return [one.what for one in self.judged().violations]


def asked(verb: str = "on", *slots: int, port: int = OFF) -> Forger:
    forger = Forger(port=port)
    forger.job(verb, *(slots or (0,)))
    return forger
