"""What long work is called on the wire. Standard library alone."""

from __future__ import annotations

from typing import Literal

JobKindWord = Literal[
    "power", "image.import", "image.prepare", "image.exec", "image.verify", "image.commit", "image.rollout",
    "node.set", "node.reset", "node.snapshot", "node.rollback", "node.drop", "node.keys", "node.trust",
    "node.run", "node.copy", "node.reboot", "node.facts", "node.identify", "node.enrol",
]  # fmt: skip
