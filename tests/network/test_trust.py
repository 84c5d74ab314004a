"""Looking at host keys, and leaving ours behind, on a real sshd."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graped.errors import SshDenied
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from graped.network.trust import KeyState, leave_keys, look
from tests.network.sshd import LOOPBACK, free_port, sshd

NODE, OTHER = "worker-0-1", "worker-0-2"
PATIENCE_S = 10.0
GETENT = '#!/bin/sh\necho "$2:x:1:1::{home}:/bin/sh"\n'


@dataclass(frozen=True)
class Card:
    """A node with an SD card of its own."""

    ring: KeyRing
    port: int
    home: Path
    authorized: Path

    @property
    def keys(self) -> tuple[str, ...]:
        return self.ring.public_keys(NODE)

    def endpoint(self) -> Endpoint:
        me = getpass.getuser()
        return Endpoint(name=NODE, address=LOOPBACK, port=self.port, user=me, host_keys=self.keys)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    ring = KeyRing(tmp_path / "ring")
    home, programs = tmp_path / "home", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    (programs / "getent").write_text(GETENT.format(home=home))
    (programs / "getent").chmod(0o755)
    authorized = tmp_path / "authorized"
    authorized.write_text(f"{ring.cluster_public_key()}\n")
    more = (
        f"AuthorizedKeysFile {authorized}", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no",
        f"SetEnv PATH={programs}:/usr/bin:/bin",
    )  # fmt: skip
    hosts = ring.host_keys(NODE)
    with sshd(tmp_path, [hosts / "ssh_host_ed25519_key", hosts / "ssh_host_ecdsa_key"], *more) as port:
        yield Card(ring, port, home, authorized)


def test_a_key_is_new_the_same_or_another(card: Card) -> None:
    def seen(pinned: tuple[str, ...]) -> KeyState:
        shown = look(LOOPBACK, card.port, pinned, PATIENCE_S)
        assert shown.fingerprint == card.ring.fingerprint(NODE)
        assert shown.key in card.keys
        return shown.state

    card.ring.host_keys(OTHER)
    assert seen(()) is KeyState.NEW
    assert seen(card.keys) is KeyState.SAME
    assert seen(card.ring.public_keys(OTHER)) is KeyState.CHANGED
    assert seen(("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ==",)) is KeyState.CHANGED  # pinned when it had another kind


@pytest.mark.parametrize("pinned", [False, True])
def test_who_shows_no_key_is_silent_with_the_reason(card: Card, pinned: bool) -> None:
    shown = look(LOOPBACK, free_port(), card.keys if pinned else (), PATIENCE_S)
    assert (shown.state, shown.key, shown.why) == (KeyState.SILENT, "", "the port is closed")


def test_our_keys_are_left_and_proved(card: Card) -> None:
    me, keys = getpass.getuser(), [card.ring.cluster_public_key(), card.ring.cluster_public_key() + " again"]
    assert leave_keys(card.endpoint(), card.ring.cluster_key(), keys, user=me, password=None)
    assert (card.home / ".ssh/authorized_keys").read_text() == f"{keys[0]}\n"
    assert not leave_keys(card.endpoint(), card.ring.cluster_key(), keys, user=me, password=None)


def test_who_lets_nobody_in_is_left_as_it_is(card: Card) -> None:
    card.authorized.write_text("")
    with pytest.raises(SshDenied):
        leave_keys(card.endpoint(), card.ring.cluster_key(), ["x y"], user=getpass.getuser(), password="guess")
    assert not (card.home / ".ssh").exists()
