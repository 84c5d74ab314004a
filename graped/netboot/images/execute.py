"""A new version of an image by a command that is run in it."""

from __future__ import annotations

import shlex
from typing import Final

from graped.netboot.images.clone import clone_tree
from graped.netboot.images.container import OnLine, run_inside
from graped.netboot.images.edits import carry_out
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.images.system import KEEP_PREPARED
from graped.netboot.images.tree import Tree
from graped.work import Work

SOURCE_CHARACTERS: Final = 200


def execute(
    store: ImageStore,
    record: ImageRecord,
    argv: tuple[str, ...],
    name: str,
    work: Work,
    on_line: OnLine = lambda _: None,
    *,
    network: bool = False,
) -> ImageRecord:
    """Run ``argv`` in a writable copy of a version and make that a version ("" for ``name``: of the same name).

    The command is root in the copy and nowhere else; it has no network unless ``network``. ``on_line`` hears what it
    writes, in the thread of the caller. The copy is made first, rather than an overlay that is copied later: nothing
    is ever mounted outside the command's own namespace, so that nothing can be left behind.
    Raises: CommandFailed (no version is made then), BadImage, NoSpace, Cancelled.
    """
    with store.draft(name or record.name) as draft:
        clone_tree(store.root(record), draft.path, work)
        store.step("cloned")
        run_inside(draft.path, argv, work, on_line, arch=record.arch, network=network, in_unit=store.in_unit)
        store.step("ran")
        if record.prepared:
            carry_out(Tree(draft.path), KEEP_PREPARED)  # packages make host keys and the like when they are installed
        source = f"run in {record.ref}: {shlex.join(argv)[:SOURCE_CHARACTERS]}"
        return draft.seal(source=source, parent=record.ref, prepared=record.prepared, note=record.note, work=work)
