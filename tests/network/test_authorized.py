"""Letting keys in, on a real sshd; homes and sudo are small programs that behave as the real ones do."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graped.errors import CommandFailed, SshDenied
from graped.network.authorized import let_in
from graped.network.ssh_client import Endpoint, Session, connect
from graped.network.ssh_keys import KeyRing
from tests.network.sshd import LOOPBACK, sshd

NODE = "worker-0-1"
FIRST = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHLZ+LeIHnOUaTxTsyoyzP6pgyHFuJJZQxDqC4QjTvWp grape cluster"
SECOND = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4wGdzDPkFbcEwDCB9aYVhD1h1j4l4dQvXwqkQyOS0d grape_docker"
PASSWORD = "open sesame"
GETENT = '#!/bin/sh\necho "$2:x:1:1::{homes}/$(cat {homes}/now):/bin/sh"\n'
# As sudo does: without a password it says no, with -S it reads one line; then the command has the other user's home.
SUDO = """#!/bin/sh
user=$2 asked=$5
shift 5
[ "$asked" = -n ] && [ ! -e {homes}/free ] && exit 1
if [ "$asked" = -S ]; then
    read -r word
    [ "$word" = "{password}" ] || {{ echo "sudo: 1 incorrect password attempt" >&2; exit 1; }}
fi
echo "$user" >{homes}/now
exec "$@"
"""


class Node:
    """A node with homes of its own."""

    def __init__(self, folder: Path) -> None:
        self.homes = folder / "homes"
        self.programs = folder / "programs"
        for name in ("me", "root", "pi"):
            (self.homes / name).mkdir(parents=True)
        self.programs.mkdir()
        self._program("getent", GETENT.format(homes=self.homes))
        self._program("sudo", SUDO.format(homes=self.homes, password=PASSWORD))
        self._program("runuser", f'#!/bin/sh\necho "$2" >{self.homes}/now\nshift 3\nexec "$@"\n')
        self._program("id", "#!/bin/sh\necho somebody\n")
        (self.homes / "now").write_text("me")

    def _program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def keys(self, user: str = "me") -> Path:
        return self.homes / user / ".ssh" / "authorized_keys"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def session(node: Node, tmp_path: Path) -> Iterator[Session]:
    ring = KeyRing(tmp_path / "ring")
    (tmp_path / "authorized").write_text(ring.cluster_public_key() + "\n")
    more = (
        f"AuthorizedKeysFile {tmp_path}/authorized", "StrictModes no", "PermitRootLogin yes",
        f"SetEnv PATH={node.programs}:/usr/bin:/bin",
    )  # fmt: skip
    with sshd(tmp_path, [ring.host_keys(NODE) / "ssh_host_ed25519_key"], *more) as port:
        keys = ring.public_keys(NODE)
        endpoint = Endpoint(name=NODE, address=LOOPBACK, port=port, user=getpass.getuser(), host_keys=keys)
        with connect(endpoint, ring.cluster_key(), timeout_s=15.0) as session:
            yield session


def test_keys_are_added_once_and_the_file_is_its_users_alone(session: Session, node: Node) -> None:
    me = session.endpoint.user
    assert let_in(session, [FIRST, SECOND], user=me)
    assert node.keys().read_text() == f"{FIRST}\n{SECOND}\n"
    assert stat.S_IMODE(node.keys().stat().st_mode) == 0o600
    assert stat.S_IMODE(node.keys().parent.stat().st_mode) == 0o700
    assert not let_in(session, [FIRST], user=me)
    assert os.listdir(node.keys().parent) == ["authorized_keys"]


def test_what_is_there_stays_also_where_its_last_line_has_no_end(session: Session, node: Node) -> None:
    node.keys().parent.mkdir()
    node.keys().write_text("# mine\nssh-rsa AAAA ann@laptop")
    assert let_in(session, [FIRST], user=session.endpoint.user)
    assert node.keys().read_text() == f"# mine\nssh-rsa AAAA ann@laptop\n{FIRST}\n"


def test_a_key_that_is_there_with_another_comment_is_there(session: Session, node: Node) -> None:
    node.keys().parent.mkdir()
    kind, data, _ = FIRST.split(" ", 2)
    node.keys().write_text(f"{kind} {data} another\n")
    assert not let_in(session, [FIRST], user=session.endpoint.user)


def test_sudo_is_asked_without_a_password_first(session: Session, node: Node) -> None:
    (node.homes / "free").touch()
    session.endpoint = replace(session.endpoint, user="pi")
    assert let_in(session, [FIRST], user="root", password="not needed, and no line of the script")
    assert node.keys("root").read_text() == f"{FIRST}\n"


def test_sudo_gets_the_password_where_it_wants_one(session: Session, node: Node) -> None:
    session.endpoint = replace(session.endpoint, user="pi")
    assert let_in(session, [FIRST], user="root", password=PASSWORD)
    assert node.keys("root").read_text() == f"{FIRST}\n"


def test_without_a_way_to_become_the_user_nothing_is_written(session: Session, node: Node) -> None:
    session.endpoint = replace(session.endpoint, user="pi")
    with pytest.raises(SshDenied, match="pi may not become root without a password"):
        let_in(session, [FIRST], user="root")
    with pytest.raises(CommandFailed, match="incorrect password") as failed:
        let_in(session, [FIRST], user="root", password="wrong word")
    assert "wrong word" not in str(failed.value)
    assert not node.keys("root").exists()


def test_root_becomes_the_user_whose_file_it_is(session: Session, node: Node) -> None:
    session.endpoint = replace(session.endpoint, user="root")
    assert let_in(session, [FIRST], user="pi")
    assert node.keys("pi").read_text() == f"{FIRST}\n"
