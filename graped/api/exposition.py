"""A snapshot in Prometheus' words: base units (volt, ampere, watt, degree Celsius), one-hot states."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from graped.api.backend import Backend
from graped.api.times import moment
from graped.core.jobs import Outcome
from graped.core.state import State
from graped.model import MeterKind, Power, StackCondition, Stage

_BASE_UNIT = {
    MeterKind.VOLTAGE: "volts",
    MeterKind.CURRENT: "amperes",
    MeterKind.POWER: "watts",
    MeterKind.TEMPERATURE: "celsius",
}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def exposition(backend: Backend) -> bytes:
    """Write all metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(backend))
    return generate_latest(registry)


class _Snapshot(Collector):
    """Collect from one snapshot."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: registering must not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Tell everything."""
        backend = self._backend
        state = backend.state
        yield from _power(state)
        yield from _stacks(state)
        yield from _meters(backend)
        yield from _facts(backend)
        yield from _counters(state)
        yield from _daemon(backend)


def _power(state: State) -> Iterator[Metric]:
    labels = ["node", "stack", "slot"]
    power = GaugeMetricFamily("grape_slot_power", "1 for what a slot's power is", labels=[*labels, "state"])
    stage = GaugeMetricFamily(
        "grape_node_stage", "1 for a node's boot stage; absent when unknown", labels=[*labels, "stage"]
    )
    fault = GaugeMetricFamily("grape_slot_fault", "1 while a slot has a fault", labels=labels)
    for slot, now in state.slots.items():
        where = [state.config.node_name(slot), str(slot.stack), str(slot.slot)]
        _one_hot(power, where, Power, now.observed)
        if now.stage is not None:
            _one_hot(stage, where, Stage, now.stage)
        fault.add_metric(where, float(now.fault is not None))
    yield from (power, stage, fault)


def _stacks(state: State) -> Iterator[Metric]:
    up = GaugeMetricFamily("grape_stack_up", "1 while a stack answers", labels=["stack"])
    condition = GaugeMetricFamily("grape_stack_state", "1 for how well a stack answers", labels=["stack", "state"])
    for key, stack in sorted(state.stacks.items()):
        answers = stack.condition in (StackCondition.OK, StackCondition.DEGRADED)
        up.add_metric([str(key)], float(answers))
        _one_hot(condition, [str(key)], StackCondition, stack.condition)
    yield from (up, condition)


def _meters(backend: Backend) -> Iterator[Metric]:
    state, clock = backend.state, backend.clock
    age = GaugeMetricFamily("grape_meter_age_seconds", "How old the newest reading is", labels=["stack", "kind"])
    for kind, unit in _BASE_UNIT.items():
        name = "grape_stack_power_draw" if kind is MeterKind.POWER else f"grape_stack_{kind.value}"
        gauge = GaugeMetricFamily(f"{name}_{unit}", f"The newest {kind.value} of a stack", labels=["stack"])
        for key, stack in sorted(state.stacks.items()):
            if (reading := stack.meters.get(kind)) is not None:
                gauge.add_metric([str(key)], reading.value / 1000)
                age.add_metric([str(key), kind.value], max(0.0, clock.monotonic() - reading.at))
        yield gauge
    yield age


def _facts(backend: Backend) -> Iterator[Metric]:
    """What nodes that are up said of themselves since they are."""
    gauges = {
        name: GaugeMetricFamily(f"grape_node_{name}", text, labels=["node"])
        for name, text in (
            ("temperature_celsius", "The temperature of a node's processor"),
            ("load1", "Processes that run or wait, over one minute"),
            ("cpus", "Processors of a node"),
            ("memory_bytes", "Memory of a node"),
            ("memory_free_bytes", "Memory that programs of a node can have"),
            ("uptime_seconds", "Since a node's kernel started, when it was asked"),
            ("facts_age_seconds", "How old the facts of a node are"),
        )
    }
    held = GaugeMetricFamily(
        "grape_node_throttled", "1 for each limit that holds a node back", labels=["node", "limit"]
    )
    disk = GaugeMetricFamily("grape_node_disk_bytes", "Size of a node's file system", labels=["node", "mount"])
    used = GaugeMetricFamily("grape_node_disk_used_bytes", "What of it is used", labels=["node", "mount"])
    facts, now = backend.operations.facts, backend.clock.wall()
    for one in facts.of(slot for slot in backend.state.slots if facts.brief(slot) is not None):
        for name, value in (
            ("temperature_celsius", one.temperature_celsius),
            ("load1", one.load[0] if one.load else None),
            ("cpus", one.cpus),
            ("memory_bytes", one.memory_bytes),
            ("memory_free_bytes", one.memory_free_bytes),
            ("uptime_seconds", one.uptime_s),
            ("facts_age_seconds", max(0.0, now - moment(one.at, now)) if one.at else None),
        ):
            if value is not None:
                gauges[name].add_metric([one.name], value)
        for limit in one.throttled or ():
            held.add_metric([one.name, limit], 1)
        for file_system in one.disks:
            disk.add_metric([one.name, file_system.mount], file_system.size_bytes)
            used.add_metric([one.name, file_system.mount], file_system.used_bytes)
    yield from (*gauges.values(), held, disk, used)


def _counters(state: State) -> Iterator[Metric]:
    counts = state.counts
    for name, help_text, value in (
        ("port_writes", "Bytes or levels sent to power ports", counts.writes),
        ("port_repairs", "Bytes written again because they arrived changed", counts.repairs),
        ("port_changed_before_write", "Ports that changed between read and write", counts.changed_before_write),
        ("port_changed_by_itself", "Ports that changed though nobody asked", counts.changed_by_itself),
        ("bus_errors", "Transactions that failed", counts.bus_errors),
    ):
        yield CounterMetricFamily(f"grape_{name}", f"{help_text}, since graped started", value=value)
    outcomes = Counter(job.outcome for job in state.jobs.values())
    outcomes.update(chore.outcome for chore in state.chores.values())
    jobs = GaugeMetricFamily("grape_jobs", "Jobs in memory (open and lately ended)", labels=["outcome"])
    for outcome in Outcome:
        jobs.add_metric([outcome.value], outcomes[outcome])
    yield jobs


def _daemon(backend: Backend) -> Iterator[Metric]:
    state = backend.state
    faults = GaugeMetricFamily("grape_daemon_fault", "1 for each fault of the daemon itself", labels=["code"])
    for code in state.faults:
        faults.add_metric([code], 1)
    info = GaugeMetricFamily("grape_info", "The version that runs", labels=["version", "cluster"])
    info.add_metric([backend.version, state.config.cluster.name], 1)
    yield from (faults, info)
    uptime_s = backend.clock.monotonic() - backend.started
    yield GaugeMetricFamily("grape_uptime_seconds", "Since graped started", value=uptime_s)
    yield GaugeMetricFamily("grape_revision", "Grows with every change", value=state.revision)
    yield GaugeMetricFamily("grape_last_event_id", "The newest event", value=backend.journal.last_id)
    yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size", value=_rss_bytes())
    yield CounterMetricFamily("process_cpu_seconds", "User and system CPU time", value=sum(os.times()[:2]))


def _one_hot(gauge: GaugeMetricFamily, labels: list[str], words: type[StrEnum], now: StrEnum) -> None:
    for word in words:
        gauge.add_metric([*labels, word.value], float(word is now))


def _rss_bytes() -> int:
    """Read the resident size. Source: proc(5), /proc/pid/statm."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
