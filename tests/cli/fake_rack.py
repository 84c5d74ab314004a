"""A small rack in memory that behaves: slots take time to switch, nodes boot by stages, jobs have tasks and end."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

from ClusterShell.NodeSet import NodeSet, NodeSetParseError
from ClusterShell.NodeUtils import GroupResolver

SEEN_S = 20.0  # nobody is waited for any longer
STAGES = ("powered", "dhcp", "tftp", "kernel", "root", "up")
Json = dict[str, Any]


class Refuse(Exception):
    """An answer that is a problem."""

    def __init__(self, status: int, code: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.body = {"type": f"urn:{code}", "title": code.replace("_", " ").capitalize(), "status": status,
                     "detail": detail, "code": code, "hint": hint, "request_id": "r1", "problems": []}  # fmt: skip


def wall(offset_s: float = 0.0) -> str:
    text = datetime.fromtimestamp(time.time() + offset_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Rack:
    """Stacks of six slots; slot 5 of each is empty. ``dead`` stacks do not answer."""

    def __init__(self, *, stacks: int = 2, switch_s: float = 0.0, stage_s: float = 0.0) -> None:
        self.switch_s, self.stage_s = switch_s, stage_s
        self.changed = threading.Condition()
        self.revision, self.asked = 1, 0
        self.jobs: dict[int, Json] = {}
        self.events: list[Json] = []
        self.faults: list[Json] = []
        self.knob: list[Json] = []
        self.dead: dict[int, str] = {}
        self.stuck_at: dict[str, tuple[str, str]] = {}  # node -> stage it stops at, reason it then tells
        self.never: set[str] = set()
        self.guard_says: dict[str, list[str]] = {}  # node -> what its guard says one after the other
        self.stop_says: dict[str, list[str]] = {}  # node -> what is told of its system while it stops; last: its way
        self.guard_s = 0.2  # each of these takes so long, and longer until somebody who saw it asks for the next
        self.seen: dict[int, int] = {}  # job -> the version that somebody has seen who asks for what differs from it
        self.nodes = {name: _node(name, stack, slot) for stack in range(stacks) for slot in range(6)
                      for name in [f"worker-{stack}-{slot}"]}  # fmt: skip
        self.stack_ids = list(range(stacks))

    def kill_stack(self, stack: int, message: str) -> None:
        """Let a stack answer no more."""
        self.dead[stack] = message
        fault = {"code": "missing", "message": message, "since": wall(), "hint": "Look at its cable."}
        for node in self.nodes.values():
            if node["stack"] == stack:
                node["power"].update(observed="unknown", fault=fault)
                node["stage"] = None

    def turn_on(self, *names: str, stage: str = "up") -> None:
        """Let nodes be on from the start."""
        for name in names:
            self.nodes[name]["power"].update(desired="on", observed="on")
            self.nodes[name]["stage"] = stage

    def bump(self) -> None:
        with self.changed:
            self.revision += 1
            self.changed.notify_all()

    def wait_for_events(self, known: int, timeout_s: float) -> None:
        """Wait for more events than are known; the caller holds ``changed``."""
        self.changed.wait_for(lambda: len(self.events) > known, timeout=timeout_s)

    def log(self, kind: str, message: str, **fields: Any) -> None:
        event = {"id": len(self.events) + 1, "time": wall(), "kind": kind, "message": message,
                 "stack": None, "node": None, "job": None, "fields": {}} | fields  # fmt: skip
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def expand(self, nodes: str | list[str]) -> list[str]:
        """Resolve a node set as graped does."""
        text = nodes if isinstance(nodes, str) else ",".join(nodes)
        groups = {"@all": [n for n, node in self.nodes.items() if node["configured"]],
                  "@on": [n for n, node in self.nodes.items() if node["power"]["observed"] == "on"]}  # fmt: skip
        for stack in self.stack_ids:
            groups[f"@stack:{stack}"] = [n for n, node in self.nodes.items() if node["stack"] == stack]
        for word, names in groups.items():
            text = text.replace(word, ",".join(names))
        if not text.strip(",! "):
            raise Refuse(422, "no_target", "No node was named.")
        try:
            names = list(NodeSet(text, resolver=GroupResolver()))
        except NodeSetParseError as error:
            raise Refuse(422, "bad_nodeset", str(error)) from error
        unknown = [name for name in names if name not in self.nodes]
        if unknown:
            raise Refuse(404, "unknown_node", f"There is no node {','.join(unknown)}.", "The nearest is worker-0-0.")
        return sorted(names)

    def plan(self, body: Json) -> Json:
        names, verb = self.expand(body["nodes"]), body["verb"]
        running = [name for name in names if self.nodes[name]["power"]["observed"] == "on"]
        steps = []
        for place, name in enumerate(names):
            note = f"is {verb} already" if self.nodes[name]["power"]["observed"] == verb else ""
            action = "never" if name in self.never else "none" if note else "off" if verb != "on" else "on"
            steps.append({"name": name, "at_s": place * 0.5, "action": action, "watts": 7.0,
                          "stack_watts": 7.0 * (place + 1), "observed": self.nodes[name]["power"]["observed"],
                          "stage": self.nodes[name]["stage"], "note": note})  # fmt: skip
        return {"verb": verb, "names": names, "folded": str(NodeSet.fromlist(names)),
                "running": [] if verb == "on" else running, "steps": steps}  # fmt: skip

    def power(self, body: Json) -> Json:
        """Accept a job and let it run."""
        names = self.expand(body["nodes"])
        for name in names:
            if name in self.never:
                raise Refuse(409, "over_budget", f"The budget of its stack can never hold {name}.")
        self.asked += 1
        tasks = [{"name": name, "step": "queued", "result": None, "reason": "", "way": [], "observed":
                  self.nodes[name]["power"]["observed"], "stage": None} for name in names]  # fmt: skip
        job = {"id": self.asked, "verb": body["verb"], "by": "uid 0 (root) pid 1", "outcome": "queued", "asked": wall(),
               "ended": None, "force": body.get("force", False), "request_id": "r1",
               "folded": str(NodeSet.fromlist(names)), "tasks": tasks, "version": 0, "kind": "power",
               "subject": str(NodeSet.fromlist(names)), "progress": None, "code": "", "reason": "", "hint": "",
               "result": ""}  # fmt: skip
        for task in tasks:
            if task["name"] in self.guard_says and body["verb"] != "on" and not job["force"]:
                task.update(step="guards", reason="waits for guard grape_docker")
                job["outcome"] = "running"
            elif task["name"] in self.stop_says and body["verb"] != "on" and not job["force"]:
                task.update(step="soft_off", reason="the system is stopping")
                job["outcome"] = "running"
        self.jobs[self.asked] = job
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return self.jobs[self.asked]

    def _run(self, job: Json) -> None:
        for task in job["tasks"]:
            if job["outcome"] == "cancelled":
                return
            time.sleep(self.switch_s)
            if task["step"] == "guards":
                self._drain(job, task, self.guard_says[task["name"]])
            elif task["step"] == "soft_off":
                self._drain(job, task, self.stop_says[task["name"]][:-1])
            if task["result"] is None:
                job["outcome"] = "running"
                self._switch(job["verb"], task)
            job["version"] += 1
            self.bump()
        results = {task["result"] for task in job["tasks"]}
        job["version"] += 1
        one = "done" if results == {"done"} else "failed"
        job["outcome"] = one if len(results) == 1 else "completed_with_errors"
        job["ended"] = wall()
        self.log("job.ended", f"job {job['id']} is {job['outcome']}", job=job["id"])
        self.bump()

    def _drain(self, job: Json, task: Json, says: list[str]) -> None:
        for note in says:
            self._wait_seen(job)
            task["reason"] = note
            job["version"] += 1
            self.bump()
        self._wait_seen(job)
        task["reason"] = ""

    def _wait_seen(self, job: Json) -> None:
        time.sleep(self.guard_s)
        with self.changed:
            self.changed.wait_for(lambda: self.seen.get(job["id"], -1) >= job["version"], timeout=SEEN_S)

    def guards(self) -> list[Json]:
        held = [(job, task) for job in self.jobs.values() for task in job["tasks"] if task["step"] == "guards"]
        holding = [{"node": task["name"], "job": job["id"], "verb": job["verb"], "since": wall(-12),
                    "deadline": wall(90), "note": task["reason"]} for job, task in held]  # fmt: skip
        names = sorted(self.guard_says)
        return [{"name": "grape_docker", "nodes": names, "folded": str(NodeSet.fromlist(names)), "lease_s": 30.0,
                 "until": wall(25), "holding": holding}] if names else []  # fmt: skip

    def _switch(self, verb: str, task: Json) -> None:
        node = self.nodes[task["name"]]
        task["step"] = "ended"
        if node["stack"] in self.dead:
            task.update(result="failed", reason=self.dead[node["stack"]], observed="unknown")
            return
        observed = "off" if verb == "off" else "on"
        node["power"].update(desired=observed, observed=observed, since=wall())
        node.update(timeline=[], late="", late_hint="", stage="off", stage_since=wall(), stage_reason="")
        if observed == "on":
            self._mark(node, "powered")
        way = self.stop_says.get(node["name"], [])[-1:]
        task.update(result="done", observed=observed, stage=node["stage"], way=["guards: nobody registered", *way])
        if observed == "on" and node["configured"]:
            threading.Thread(target=self._boot, args=(node,), daemon=True).start()

    def _boot(self, node: Json) -> None:
        last, reason = self.stuck_at.get(node["name"], ("up", ""))
        for stage in STAGES:
            time.sleep(self.stage_s)
            self._mark(node, stage, f"evidence of {stage}")
            self.bump()
            if stage == last:
                break
        if reason:
            node.update(late=reason, late_hint="Look at it.")
            self.bump()

    @staticmethod
    def _mark(node: Json, stage: str, evidence: str = "") -> None:
        mark = {"stage": stage, "at": wall(), "evidence": evidence}
        node.update(stage=stage, stage_since=mark["at"], stage_reason=evidence, timeline=[*node["timeline"], mark])

    def newest_jobs(self, limit: int, *, open_only: bool) -> list[Json]:
        found = [job for job in self.jobs.values() if not (open_only and job["ended"])]
        return found[::-1][:limit]

    def cancel(self, job: Json) -> Json:
        for task in job["tasks"]:
            if task["result"] is None:
                task.update(step="ended", result="cancelled", reason="cancelled by uid 0")
        job.update(outcome="cancelled", ended=wall(), version=job["version"] + 1)
        self.bump()
        return job

    def status(self) -> Json:
        return {"revision": self.revision, "cluster": "grape", "simulated": True, "time": wall(),
                "stacks": [self.stack(stack) for stack in self.stack_ids], "nodes": list(self.nodes.values()),
                "faults": [], "counters": {"writes": 0, "repairs": 0, "changed_before_write": 0,
                                           "changed_by_itself": 0, "bus_errors": 0}}  # fmt: skip

    def stack(self, stack: int) -> Json:
        message = self.dead.get(stack)
        fault = {"code": "missing", "message": message, "since": wall(), "hint": "Look at its cable."}
        return {"id": stack, "driver": "stack", "bus": 1, "address": stack, "state": "missing" if message else "ok",
                "fault": fault if message else None, "read_at": None if message else wall(-0.4),
                **self.meters(stack),
                "budget_watts": 40.0, "expected_watts": 14.0, "slots": [0, 1, 2, 3, 4, 5]}  # fmt: skip

    def meters(self, stack: int) -> Json:
        if stack in self.dead:
            return {"stack": stack, "meters": {}, "meters_missing": {}}
        meters = {"voltage": {"value": 12040, "unit": "mV", "at": wall(-0.4), "stale": False},
                  "temperature": {"value": 41500, "unit": "mCelsius", "at": wall(-60), "stale": True}}  # fmt: skip
        return {"stack": stack, "meters": meters, "meters_missing": {"current": "no answer"}}

    def groups(self, expression: str) -> list[Json]:
        found: dict[tuple[str, str], list[str]] = {}
        for name in self.expand(expression):
            node = self.nodes[name]
            reason = self.dead.get(node["stack"], "") if node["power"]["observed"] == "unknown" else ""
            found.setdefault((node["power"]["observed"], reason), []).append(name)
        return [{"state": state, "reason": reason, "folded": str(NodeSet.fromlist(names)), "names": names}
                for (state, reason), names in found.items()]  # fmt: skip


def _node(name: str, stack: int, slot: int) -> Json:
    return {"name": name, "stack": stack, "slot": slot, "mac": f"b8:27:eb:00:0{stack}:0{slot}" if slot < 5 else None,
            "configured": slot < 5, "watts": 7.0, "stage": "off", "stage_reason": "", "stage_since": wall(),
            "watched": True, "timeline": [], "late": "", "late_hint": "", "address": f"10.77.0.{10 + 6 * stack + slot}",
            "boot": "network" if slot < 5 else None, "model": "4", "image": "bookworm", "strategy": "auto",
            "fetched": {"discovers": 0, "files": 0, "file_bytes": 0, "last_file": "", "missing": ""},
            "job": None, "power": {"desired": None, "observed": "off", "fault": None, "since": wall(),
                                   "read_at": wall()}}  # fmt: skip
