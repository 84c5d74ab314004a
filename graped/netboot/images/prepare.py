"""A version that nodes can boot over the network, made of one for a disk. Nothing in it is of one node."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graped.config.types import Prepare
from graped.errors import BadImage, CommandFailed
from graped.files import write_atomic
from graped.netboot.images import shared, system
from graped.netboot.images.clone import clone_tree
from graped.netboot.images.container import OnLine, run_inside
from graped.netboot.images.edits import Edit, Step, Write, carry_out, plan
from graped.netboot.images.record import ImageRecord, to_json
from graped.netboot.images.store import ImageStore
from graped.netboot.images.tree import Tree
from graped.work import Work

MARK: Final = "usr/lib/grape/prepared.json"  # which files and scripts of the configuration are in the version


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What the configuration adds to an image, read once: the files may change meanwhile."""

    files: dict[str, tuple[bytes, int]]  # path in the image -> content, mode
    scripts: dict[str, bytes]  # file on the master -> content

    def step(self, tree: Tree) -> Iterator[Edit]:
        """Put the files in."""
        del tree
        for path, (content, mode) in sorted(self.files.items()):
            yield Write(path=path.lstrip("/"), content=content, mode=mode)

    def mark(self, tree: Tree) -> Iterator[Edit]:
        """Write down what was added."""
        del tree
        known = {
            "made_by": "Grape",
            "files": {path: _digest(content) for path, (content, _) in sorted(self.files.items())},
            "scripts": [_digest(content) for content in self.scripts.values()],
        }
        yield Write(path=MARK, content=(json.dumps(known, indent=1) + "\n").encode(), mode=0o644)


def outstanding(root: Path, preparation: Prepare) -> tuple[Edit, ...]:
    """What preparing a tree would change; () where it is prepared. Scripts count as run if they were, unchanged.

    Raises: BadImage where a file of the configuration cannot be read.
    """
    additions = read_additions(preparation)
    return plan(Tree(root), (*_before(additions), *_after(additions)))


def prepare(
    store: ImageStore,
    record: ImageRecord,
    preparation: Prepare,
    work: Work,
    on_line: OnLine = lambda _: None,
) -> ImageRecord:
    """Make a prepared version of the same name, and return it; a prepared one is returned as it is.

    ``record.note`` of the new one says what it lacks (an SSH server). Scripts run inside, with the network, and
    ``on_line`` hears them. Raises: BadImage, CommandFailed (a script), NoSpace, Cancelled.
    """
    additions = read_additions(preparation)
    if not plan(Tree(store.root(record)), (*_before(additions), *_after(additions))):
        return record if record.prepared else _mark_prepared(store, record)
    with store.draft(record.name) as draft:
        clone_tree(store.root(record), draft.path, work)
        store.step("cloned")
        tree = Tree(draft.path)
        work.phase("edit", unit="")
        carry_out(tree, _before(additions))
        store.step("edited")
        for script in additions.scripts:
            _run_script(store, draft.path, Path(script), record.arch, work, on_line)
            store.step("ran")
        carry_out(tree, _after(additions))
        store.step("finished")
        note = "; ".join(system.shortcomings(tree))
        return draft.seal(source=f"{record.ref}, prepared", parent=record.ref, prepared=True, note=note, work=work)


def read_additions(preparation: Prepare) -> Additions:
    """Read the files and scripts that the configuration names. Raises: BadImage."""
    files = {}
    for path, source in preparation.files.items():
        content = _read(Path(source))
        files[path] = (content, 0o755 if Path(source).stat().st_mode & 0o100 else 0o644)
    return Additions(files=files, scripts={script: _read(Path(script)) for script in preparation.scripts})


def _before(additions: Additions) -> tuple[Step, ...]:
    """What is done before the scripts run, so that they have the last word."""
    return (*shared.STEPS, *system.STEPS, additions.step)


def _after(additions: Additions) -> tuple[Step, ...]:
    """What is done at the end: a package that a script installed has made host keys."""
    return (*shared.STEPS, additions.mark)


def _run_script(store: ImageStore, root: Path, script: Path, arch: str, work: Work, on_line: OnLine) -> None:
    """Run a script of the master inside: it is shown there, not copied."""
    command = (*_interpreter(script), "/run/grape/script")
    try:
        binds = [(script, "script")]
        run_inside(root, command, work, on_line, arch=arch, network=True, binds=binds, in_unit=store.in_unit)
    except CommandFailed as error:
        raise CommandFailed(f"{script}: {error.detail}", hint="See netboot.prepare.scripts.") from error


def _interpreter(script: Path) -> tuple[str, ...]:
    """What runs a script: by its first line, as the kernel does it, else the shell."""
    first = _read(script).split(b"\n")[0].decode(errors="replace")
    return tuple(first[2:].strip().split(None, 1)) if first.startswith("#!") else ("/bin/sh",)


def _mark_prepared(store: ImageStore, record: ImageRecord) -> ImageRecord:
    """Say of a version that it is prepared: somebody brought it so."""
    prepared = dataclasses.replace(record, prepared=True)
    write_atomic(store.root(record).parent / "image.json", to_json(prepared))
    return prepared


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot read {path}: {error.strerror}", hint="See netboot.prepare.") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
