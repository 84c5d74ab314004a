"""One real sshd a module, a login a test: a node with keys of its own, which lets the cluster's key in."""

from __future__ import annotations

import getpass
from collections.abc import Iterator

import pytest

from graped.network.ssh_client import Endpoint, Session, connect
from graped.network.ssh_keys import KeyRing
from tests.network.sshd import LOOPBACK, sshd

NODE, OTHER = "worker-0-1", "worker-0-2"
PATIENCE_S = 15.0


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    ring = KeyRing(tmp_path_factory.mktemp("keys") / "ssh")
    for node in (NODE, OTHER):
        ring.host_keys(node)
    return ring


@pytest.fixture(scope="module")
def port(ring: KeyRing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "authorized").write_text(ring.cluster_public_key() + "\n")
    hosts = ring.host_keys(NODE)
    keys = [hosts / "ssh_host_ed25519_key", hosts / "ssh_host_ecdsa_key"]
    more = (f"AuthorizedKeysFile {folder}/authorized", "StrictModes no", "PermitRootLogin yes")
    with sshd(folder, keys, *more) as port:
        yield port


@pytest.fixture
def endpoint(ring: KeyRing, port: int) -> Endpoint:
    keys = ring.public_keys(NODE)
    return Endpoint(name=NODE, address=LOOPBACK, port=port, user=getpass.getuser(), host_keys=keys)


@pytest.fixture
def session(ring: KeyRing, port: int) -> Iterator[Session]:
    keys = ring.public_keys(NODE)
    endpoint = Endpoint(name=NODE, address=LOOPBACK, port=port, user=getpass.getuser(), host_keys=keys)
    with connect(endpoint, ring.cluster_key(), timeout_s=PATIENCE_S) as session:
        yield session
