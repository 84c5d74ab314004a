"""Real SSH servers at the addresses of a yard's nodes. A shell there is one of this machine, with ``$NODE``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from graped.model import SlotId
from graped.network.ssh_keys import KeyRing
from tests.network.sshd import sshd
from tests.operate.yard import Yard, address


@contextlib.contextmanager
def answering(yard: Yard, slot: SlotId, keys: str = "", *, pin: bool = True) -> Iterator[None]:
    """Run a node's SSH server, with host keys of that name (its own by default); it lets the cluster's key in."""
    name = yard.engine.state.config.node_name(slot)
    theirs = KeyRing(yard.folder / "theirs")
    host = theirs.host_keys(keys or name) / "ssh_host_ed25519_key"
    room = yard.folder / f"sshd-{name}-{keys or name}"
    room.mkdir(exist_ok=True)
    (room / "authorized").write_text(yard.access.keys.cluster_public_key() + "\n")
    if pin:
        yard.access.keys.pin(name, theirs.public_keys(keys or name)[:1])
    more = (
        f"ListenAddress {address(slot)}:{yard.port}", f"AuthorizedKeysFile {room}/authorized", "StrictModes no",
        "PermitRootLogin yes", f"SetEnv NODE={name} SHLVL=1",
    )  # fmt: skip
    with sshd(room, [host], *more):
        yield
