"""Replica trees of machines, and a runner that behaves as their programs do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from graped.errors import CommandFailed
from graped.runner import Output, Runner
from master_setup.machine import Machine

Answer = Callable[[tuple[str, ...]], Output]


class Programs:
    """Answers for the programs of a machine; one that it does not have fails as a real one that is missing."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.calls: list[tuple[str, ...]] = []

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        self.calls.append(argv)
        if argv[0] not in self.answers:
            raise CommandFailed(f"cannot run {argv[0]}: no such program")
        output = self.answers[argv[0]](argv)
        if output.code not in expect:
            raise CommandFailed(f"{argv[0]} ended with code {output.code}", exit_code=output.code)
        return output


def says(text: str) -> Answer:
    return lambda argv: Output(code=0, stdout=text)


def active(*units: str) -> Answer:
    """Answer as systemctl where these units are active."""

    def answer(argv: tuple[str, ...]) -> Output:
        if argv[1] != "is-active":
            return Output(code=0, stdout="")
        states = ["active" if name in units else "inactive" for name in argv[2:]]
        return Output(code=0 if "active" in states else 3, stdout="\n".join(states) + "\n")

    return answer


def addresses(**of: tuple[str, ...]) -> Answer:
    """Answer as ``ip -json address show``."""
    links = [
        {
            "ifname": name,
            "link_type": "loopback" if name == "lo" else "ether",
            "flags": ["UP"],
            "addr_info": [
                {
                    "family": "inet6" if ":" in each else "inet",
                    "local": each.partition("/")[0],
                    "prefixlen": int(each.partition("/")[2]),
                }
                for each in some
            ],
        }
        for name, some in of.items()
    ]

    def answer(argv: tuple[str, ...]) -> Output:
        wanted = [each for each in links if "dev" not in argv or each["ifname"] == argv[argv.index("dev") + 1]]
        return Output(code=0, stdout=json.dumps(wanted))

    return answer


def tree(root: Path, files: Mapping[str, str], runner: Runner | None = None) -> Machine:
    """Make a machine of files; those in a path that ends with "/" are folders."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Machine(root=root, runner=runner or Programs())


def ethernet(*names: str, hardware: bool = True) -> dict[str, str]:
    """Return the files by which the kernel tells of Ethernet interfaces, and of ``lo``."""
    files = {"/sys/class/net/lo/type": "772\n"}
    for number, name in enumerate(names):
        files[f"/sys/class/net/{name}/type"] = "1\n"
        files[f"/sys/class/net/{name}/address"] = f"02:00:00:00:00:{number:02x}\n"
        if hardware:
            files[f"/sys/class/net/{name}/device/"] = ""
    return files
