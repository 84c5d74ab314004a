"""What an enrolment means for the configuration, and as the contract's report. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from graped.api.enrol_types import EnrolReport, EnrolSlot
from graped.config.types import Config
from graped.core.boot import device_of
from graped.core.enrolment import Enrolment, Facts, Place, Verdict
from graped.core.jobs import Result
from graped.model import SlotId

Keys = dict[str, str | None]

_BAD = frozenset({Verdict.STRANGE, Verdict.FAILED})


def moves_of(enrolment: Enrolment) -> tuple[SlotId, ...]:
    """Name the slots to which a board was moved."""
    return tuple(slot for slot in enrolment.order if enrolment.places[slot].verdict is Verdict.MOVED)


def changes_of(enrolment: Enrolment, config: Config, *, moves: bool) -> dict[SlotId, Keys]:
    """Tell what is to be written: MAC addresses found, and what their boards said. ``moves``: of moved boards, too."""
    changes: dict[SlotId, Keys] = {}
    left: set[SlotId] = set()
    for slot in enrolment.order:
        place = enrolment.places[slot]
        facts = enrolment.facts.get(place.mac or "", Facts())
        match place.verdict:
            case Verdict.FOUND:
                changes[slot] = _seat(place, facts)
            case Verdict.MOVED if moves and place.home is not None:
                changes[slot] = _seat(place, facts)
                left.add(place.home)
            case Verdict.KEPT:
                if news := _news(facts, config, slot):
                    changes[slot] = news
            case Verdict.EMPTY if place.known and place.draws is False:
                changes[slot] = {"mac": ""}
            case _:
                pass
    for slot in left - changes.keys():
        changes[slot] = {"mac": ""}
    return changes


def _seat(place: Place, facts: Facts) -> Keys:
    keys: Keys = {"mac": place.mac}
    if place.known:  # what was said of the board that sat there goes
        return {**keys, "model": _model(facts), "serial": facts.serial}
    return {**keys, **{key: value for key, value in _told(facts).items() if value is not None}}


def _news(facts: Facts, config: Config, slot: SlotId) -> Keys:
    """What the board of a slot that stays tells, and nobody had said."""
    device = device_of(config, slot)
    return {
        key: value
        for key, value in _told(facts).items()
        if value is not None and (device is None or getattr(device, key) is None)
    }


def _told(facts: Facts) -> Keys:
    return {"model": _model(facts), "serial": facts.serial}


def _model(facts: Facts) -> str | None:
    return None if facts.model is None else facts.model.value


def reason_of(place: Place) -> tuple[Result, str]:
    """Tell the end of one slot as that of a job's node: only what somebody has to look at counts as failed."""
    words = " ".join(filter(None, (place.verdict and place.verdict.value, place.mac)))
    text = f"{words}: {place.note}" if place.note else words
    return (Result.FAILED if place.verdict in _BAD else Result.DONE), text


def summary(enrolment: Enrolment) -> str:
    """Count the verdicts: ``9 found, 2 empty``."""
    counts = Counter(place.verdict for place in enrolment.places.values() if place.verdict)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])


def report(
    job: int,
    enrolment: Enrolment,
    config: Config,
    *,
    dry_run: bool,
    file: str,
    diff: str,
    written: bool,
    accepted: bool,
    left_out: Collection[str],
    took_s: float,
) -> EnrolReport:
    """Make the report of an enrolment, as far as it is."""
    moves = () if accepted else moves_of(enrolment)
    return EnrolReport(
        job=job,
        dry_run=dry_run,
        slots=tuple(_slot(slot, enrolment, config) for slot in enrolment.order),
        moves=tuple(map(config.node_name, moves)),
        file=file,
        diff=diff,
        written=written,
        left_out=tuple(left_out),
        stopped=enrolment.stopped,
        took_s=round(took_s, 3),
    )


def _slot(slot: SlotId, enrolment: Enrolment, config: Config) -> EnrolSlot:
    place = enrolment.places[slot]
    facts = enrolment.facts.get(place.mac or "", Facts())
    return EnrolSlot(
        name=config.node_name(slot),
        verdict=None if place.verdict is None else place.verdict.value,
        mac=place.mac,
        was=place.known,
        home=None if place.home is None else config.node_name(place.home),
        macs=place.macs,
        model=_model(facts),
        serial=facts.serial,
        was_on=place.was_on,
        note=place.note,
        took_s=round(place.took_s, 3),
    )
