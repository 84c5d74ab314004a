"""``exportfs`` as it behaves, with the table and the little quirks of the real one; and servers that only remember."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graped.errors import CommandFailed
from graped.netboot.nfs.exports_table import quoted
from graped.netboot.servers import ServerSpec
from graped.runner import Output

ALWAYS = "wdelay,hide,sec=sys,no_all_squash"


class FakeExportfs:
    """A runner for ``exportfs`` alone. ``touched`` are the entries that a command has changed."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], list[str]] = {}
        self.touched: list[tuple[str, str]] = []

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        match argv:
            case ("exportfs", "-s"):
                code, said = 0, self._show()
            case ("exportfs", "-o", options, target):
                code, said = self._add(options, target), ""
            case ("exportfs", "-u", target):
                code, said = self._remove(target), ""
            case _:
                raise AssertionError(argv)
        if code not in expect:
            raise CommandFailed(f"exportfs ended with code {code}", exit_code=code)
        return Output(code=code, stdout=said)

    def _show(self) -> str:
        return "".join(
            f"{quoted(Path(path))}  {client}({','.join(sorted(options))},{ALWAYS})\n"
            for (path, client), options in self.table.items()
        )

    def _add(self, options: str, target: str) -> int:
        """Add to the options of an entry that is there; take a folder that is not there, but complain."""
        entry = self._entry(target)
        self.touched.append(entry)
        former = [word for word in self.table.get(entry, []) if not word.startswith("fsid=")]
        self.table[entry] = [*former, *options.split(",")]
        return 0 if Path(entry[0]).is_dir() else 1

    def _remove(self, target: str) -> int:
        entry = self._entry(target)
        self.touched.append(entry)
        return 0 if self.table.pop(entry, None) is not None else 1

    @staticmethod
    def _entry(target: str) -> tuple[str, str]:
        client, _, path = target.partition(":")
        return path, client


class FakeUnits:
    """systemd's side of ``Servers``: which units are active."""

    def __init__(self) -> None:
        self.active: set[str] = set()

    def ensure(self, spec: ServerSpec, *, restart: bool = False) -> bool:
        started = restart or spec.unit not in self.active
        self.active.add(spec.unit)
        return started

    def reload(self, spec: ServerSpec) -> None:
        assert spec.unit in self.active

    def stop(self, spec: ServerSpec) -> None:
        self.active.discard(spec.unit)

    def running(self, spec: ServerSpec) -> int | None:
        return 1 if spec.unit in self.active else None


class FakeNfsd(FakeExportfs):
    """Beside ``exportfs`` the two commands that make a kernel serve, as its own files in ``nfsd`` show it."""

    def __init__(self, nfsd: Path) -> None:
        super().__init__()
        self._threads = nfsd / "threads"

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        match argv:
            case ("mount", "-t", "nfsd", "nfsd", target):
                assert Path(target) == self._threads.parent
                self._threads.parent.mkdir()
                self._threads.write_text("0\n")
            case ("rpc.nfsd", *_, threads):
                self._threads.write_text(f"{threads}\n")
            case _:
                return super().run(argv, timeout_s=timeout_s, expect=expect, env=env)
        return Output(code=0, stdout="")
