"""A version made of what became of another one on a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graped.netboot.images.clone import clone_tree
from graped.netboot.images.edits import Edit, Remove, Write, carry_out
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.images.system import KEEP_PREPARED
from graped.netboot.images.tree import Tree
from graped.work import Work

HOST_NAME = "etc/hostname"


def commit(store: ImageStore, base: ImageRecord, tree: Path, name: str, work: Work, *, source: str = "") -> ImageRecord:
    """Make a version of ``tree``, a root that began as ``base`` and that nobody writes to now (its node is off).

    What made it one node is taken out again: host keys, machine id, leases, Grape's lines, the host name. What is
    mounted in it (a volume) is not part of it. Raises: NoSpace, BadImage, Cancelled.
    """
    with store.draft(name or base.name) as draft:
        clone_tree(tree, draft.path, work)
        store.step("cloned")
        original = Tree(store.root(base))

        def host_name(_: Tree) -> Iterator[Edit]:
            before = original.read(HOST_NAME)
            yield Remove(path=HOST_NAME) if before is None else Write(path=HOST_NAME, content=before)

        carry_out(Tree(draft.path), (*KEEP_PREPARED, host_name))
        store.step("cleaned")
        return draft.seal(
            source=source or f"changes of {base.ref}",
            parent=base.ref,
            prepared=base.prepared,
            note=base.note,
            work=work,
        )
