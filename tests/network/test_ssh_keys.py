"""The key ring: made once, kept, private where it must be, and in OpenSSH's own format."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import threading
from ipaddress import IPv4Address
from pathlib import Path

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.network.ssh_keys import HEADER, KeyRing, KnownNode, fingerprint_of, known_hosts_text

NODE = "worker-0-1"


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "ssh")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def openssh(*argv: object) -> str:
    if shutil.which(str(argv[0])) is None:
        pytest.skip(f"needs {argv[0]}: apt install openssh-client")
    return subprocess.run([*map(str, argv)], check=True, capture_output=True, text=True, timeout=20).stdout


def test_the_cluster_key_is_made_once_and_only_ours_to_read(ring: KeyRing) -> None:
    path = ring.cluster_key()
    before = path.read_bytes()
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o755
    assert ring.cluster_key().read_bytes() == before
    assert ring.cluster_public_key().startswith("ssh-ed25519 ")


def test_openssh_and_paramiko_read_the_keys(ring: KeyRing) -> None:
    path = ring.cluster_key()
    assert openssh("ssh-keygen", "-y", "-f", path).split()[:2] == ring.cluster_public_key().split()[:2]
    assert paramiko.Ed25519Key(filename=str(path)).get_base64() == ring.cluster_public_key().split()[1]
    folder = ring.host_keys(NODE)
    for kind in ("ed25519", "ecdsa"):
        key = folder / f"ssh_host_{kind}_key"
        assert mode(key) == 0o600
        assert openssh("ssh-keygen", "-y", "-f", key).split()[:2] == key.with_suffix(".pub").read_text().split()[:2]


def test_a_public_half_that_a_crash_lost_is_made_again(ring: KeyRing) -> None:
    public = ring.cluster_public_key()
    ring.cluster_key().with_suffix(".pub").unlink()
    assert ring.cluster_public_key() == public


def test_host_keys_are_kept_and_each_node_has_its_own(ring: KeyRing) -> None:
    first = ring.host_keys(NODE)
    keys = ring.public_keys(NODE)
    assert [key.split()[0] for key in keys] == ["ssh-ed25519", "ecdsa-sha2-nistp256"]
    assert ring.host_keys(NODE) == first
    assert ring.public_keys(NODE) == keys
    ring.host_keys("worker-0-2")
    assert not set(keys) & set(ring.public_keys("worker-0-2"))
    assert mode(first.parent) == 0o700


def test_two_threads_that_ask_at_once_get_the_same_keys(ring: KeyRing) -> None:
    seen: list[tuple[str, ...]] = []

    def ask() -> None:
        ring.host_keys(NODE)
        seen.append(ring.public_keys(NODE))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 4
    assert len(set(seen)) == 1


def test_forgetting_and_nothing_pinned(ring: KeyRing) -> None:
    assert ring.public_keys(NODE) == ()
    assert ring.fingerprint(NODE) == ""
    ring.forget(NODE)
    ring.host_keys(NODE)
    before = ring.public_keys(NODE)
    ring.forget(NODE)
    assert ring.public_keys(NODE) == ()
    ring.host_keys(NODE)
    assert not set(before) & set(ring.public_keys(NODE))


def test_the_version_differs_with_each_change_of_host_keys(ring: KeyRing) -> None:
    seen = [ring.version()]
    key = KEY
    for change in (
        lambda: ring.host_keys(NODE),
        lambda: ring.pin("other", (key,)),
        lambda: ring.pin("other", (key.replace("pUqGd", "pUqGe"),)),
        lambda: ring.forget("other"),
        lambda: ring.forget(NODE),
    ):
        assert ring.version() == seen[-1]
        change()
        seen.append(ring.version())
    assert len(set(seen)) == len(seen)


def test_half_made_keys_are_cleaned(ring: KeyRing) -> None:
    folder = ring.host_keys(NODE)
    (folder.parent / ".partial-12ab").mkdir()
    (folder.parent / ".partial-12ab" / "ssh_host_ed25519_key").write_text("half")
    assert ring.recover() == (".partial-12ab",)
    assert [path.name for path in folder.parent.iterdir()] == [NODE]
    assert KeyRing(folder / "none").recover() == ()


@pytest.mark.parametrize("name", ["../evil", "", "a/b", ".partial-1", "-n", "a\nb"])
def test_a_name_that_is_no_name_is_refused(ring: KeyRing, name: str) -> None:
    with pytest.raises(ValueError, match="not a node's name"):
        ring.host_keys(name)


def test_the_fingerprint_is_what_openssh_shows(ring: KeyRing) -> None:
    folder = ring.host_keys(NODE)
    shown = openssh("ssh-keygen", "-l", "-f", folder / "ssh_host_ed25519_key.pub")
    assert ring.fingerprint(NODE) == shown.split()[1]


def test_known_hosts_is_for_everybody_and_openssh_finds_each_place(ring: KeyRing) -> None:
    for name in (NODE, "worker-0-2"):
        ring.host_keys(name)
    nodes = [
        KnownNode(name=NODE, addresses=(IPv4Address("10.77.0.11"),), aliases=(f"{NODE}.grape",)),
        KnownNode(name="worker-0-2", addresses=(IPv4Address("10.77.0.12"),), port=2222),
        KnownNode(name="worker-0-3", addresses=(IPv4Address("10.77.0.13"),)),
    ]
    assert ring.write_known_hosts(nodes)
    assert not ring.write_known_hosts(nodes), "nothing has changed"
    assert mode(ring.known_hosts) == 0o644
    for place in (NODE, f"{NODE}.grape", "10.77.0.11", "[worker-0-2]:2222", "[10.77.0.12]:2222"):
        found = openssh("ssh-keygen", "-F", place, "-f", ring.known_hosts)
        assert "ssh-ed25519" in found, place
    assert "worker-0-3" not in ring.known_hosts.read_text()
    assert paramiko.HostKeys(str(ring.known_hosts)).lookup("10.77.0.11") is not None


NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,10}", re.ASCII), fullmatch=True)
NODES = st.lists(
    st.builds(
        KnownNode,
        name=NAMES,
        addresses=st.tuples(st.ip_addresses(v=4)),
        port=st.sampled_from([22, 2222]),
    ),
    unique_by=lambda node: node.name,
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd"


@given(NODES)
def test_every_node_has_one_line_for_each_key(nodes: list[KnownNode]) -> None:
    text = known_hosts_text(nodes, lambda _: (KEY,))
    assert text.startswith(HEADER)
    lines = text.splitlines()[1:]
    assert len(lines) == len(nodes)
    assert all(line.endswith(KEY) and len(line.split()) == 3 for line in lines)
    assert fingerprint_of(KEY).startswith("SHA256:")


OWN = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHLZ+LeIHnOUaTxTsyoyzP6pgyHFuJJZQxDqC4QjTvWp",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ==",
)


def test_a_node_that_brings_its_own_keys_is_pinned_until_it_gets_ours(ring: KeyRing) -> None:
    assert ring.public_keys(NODE) == ()
    assert ring.pin(NODE, OWN)
    assert not ring.pin(NODE, OWN)
    assert ring.public_keys(NODE) == OWN
    assert ring.fingerprint(NODE) == fingerprint_of(OWN[0])
    assert ring.pin(NODE, OWN[:1])
    assert ring.public_keys(NODE) == OWN[:1]
    ring.host_keys(NODE)
    assert not set(ring.public_keys(NODE)) & set(OWN)


def test_a_pin_is_forgotten_with_the_node(ring: KeyRing) -> None:
    ring.pin(NODE, OWN)
    ring.forget(NODE)
    assert ring.public_keys(NODE) == ()


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 ?", OWN[0] + " comment", OWN[0] + "\nssh-rsa AAAA"])
def test_what_is_no_public_key_is_not_pinned(ring: KeyRing, key: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        ring.pin(NODE, (key,))
    assert ring.public_keys(NODE) == ()


def test_a_pin_stays_below_the_key_ring(ring: KeyRing) -> None:
    with pytest.raises(ValueError, match="name"):
        ring.pin("../worker", OWN)
