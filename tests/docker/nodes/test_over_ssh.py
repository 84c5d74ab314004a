"""The scripts and the connection to Docker over a real sshd, with programs of our own on its PATH."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from grape_docker.nodes.look import look
from grape_docker.nodes.remote import Remote, script_of
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Membership
from graped.errors import CommandFailed
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_keys import KeyRing
from tests.network.sshd import LOOPBACK, free_port, sshd

NODE = "worker-0-1"
# What `docker system dial-stdio` does: bytes from stdin to the socket and back.
DOCKER = """#!{python} -S
import os, socket, sys, threading
assert sys.argv[1:] == ["system", "dial-stdio"], sys.argv
there = socket.socket(socket.AF_UNIX)
there.connect({socket!r})
def up():
    while data := os.read(0, 65536):
        there.sendall(data)
    os._exit(0)
threading.Thread(target=up, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    ring = KeyRing(tmp_path_factory.mktemp("keys") / "ssh")
    ring.host_keys(NODE)
    return ring


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is first on the PATH of whoever logs in."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def endpoint(ring: KeyRing, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "authorized").write_text(ring.cluster_public_key() + "\n")
    more = (
        f"AuthorizedKeysFile {folder}/authorized", "StrictModes no", "PermitRootLogin yes",
        f'SetEnv "PATH={programs}:/usr/bin:/bin:/usr/sbin:/sbin"',
    )  # fmt: skip
    with sshd(folder, [ring.host_keys(NODE) / "ssh_host_ed25519_key"], *more) as port:
        keys = ring.public_keys(NODE)
        yield Endpoint(name=NODE, address=LOOPBACK, port=port, user=getpass.getuser(), host_keys=keys)


@pytest.fixture
def remote(endpoint: Endpoint, ring: KeyRing) -> Iterator[Remote]:
    """A login that is root's as far as scripts go: nothing in these tests needs more."""
    with connect(endpoint, ring.cluster_key(), timeout_s=15.0) as session:
        node = Remote(endpoint, session)
        node._root = ""
        yield node


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_a_script_gets_its_words_and_keeps_its_text_to_itself(remote: Remote) -> None:
    done = remote.script('cat >/dev/null; printf "%s|" "$@"; cat /proc/$$/cmdline', "a b", "$HOME", what="trying")
    assert done.stdout.startswith("a b|$HOME|")
    assert "printf" not in done.stdout
    with pytest.raises(CommandFailed) as told:
        remote.script("echo why >&2; exit 7", what="failing")
    assert "failing" in told.value.detail


def test_docker_is_spoken_to_through_its_own_client(remote: Remote, programs: Path, tmp_path: Path) -> None:
    from grape_docker.nodes import engine

    place = tmp_path / "docker.sock"
    program(programs, "docker", DOCKER.format(python=sys.executable, socket=str(place)))
    said = {"ServerVersion": "20.10.24", "Driver": "overlay2", "Name": NODE}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        threading.Thread(target=_answer_twice, args=(listener, json.dumps(said)), daemon=True).start()
        with engine.opened(remote) as api:
            api.dial_early()
            assert engine.info(api).version == "20.10.24"
            assert engine.info(api).name == NODE, "over the same connection"
    program(programs, "docker", '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n')
    with engine.opened(remote) as api, pytest.raises(engine.NoAnswer):
        engine.info(api)


def test_a_look_at_this_machine_over_ssh(endpoint: Endpoint, ring: KeyRing) -> None:
    if os.geteuid():
        pytest.skip("a look is root's: run the tests as root")
    found = look(endpoint, ring.cluster_key(), swarm_id="ours")
    assert found.membership in set(Membership)
    assert found.machine.hostname == socket.gethostname()
    assert abs(found.machine.skew_s) < 5.0


def test_nobody_there_is_told(ring: KeyRing) -> None:
    nobody = Endpoint(name=NODE, address=LOOPBACK, port=free_port(), host_keys=ring.public_keys(NODE))
    with pytest.raises(NodeTrouble) as told:
        look(nobody, ring.cluster_key(), swarm_id="ours")
    assert told.value.code is Code.SSH_REFUSED


# --- install.sh, with apt and dpkg of our own -----------------------------------------------------------

APT = """#!/bin/sh
echo "apt-get $*" >> {log}
case "$*" in
*update*) touch {folder}/updated ;;
*docker.io*) [ -e {folder}/updated ] || {{ echo "E: Unable to locate package docker.io" >&2; exit 100; }}
    for name in docker dockerd; do printf '#!/bin/sh\\n' > {folder}/$name; chmod 755 {folder}/$name; done ;;
esac
"""


def install(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    text = f'main() {{\n{script_of("install.sh")}\n}}\nmain "$@"'
    env = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-s", "--", *words], input=text, env=env, text=True, capture_output=True, check=False)


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    for name in ("cat", "sh", "touch", "chmod", "printf"):
        (tmp_path / name).unlink(missing_ok=True)
    program(tmp_path, "apt-get", APT.format(log=tmp_path / "log", folder=tmp_path))
    program(tmp_path, "dpkg", f'#!/bin/sh\necho "dpkg $*" >> {tmp_path}/log\n')
    return tmp_path


def test_lists_of_packages_are_fetched_only_where_they_are_missing(apt: Path) -> None:
    done = install(apt, "apt")
    assert done.returncode == 0, done.stderr
    verbs = [line.split()[1] for line in (apt / "log").read_text().splitlines() if line.startswith("apt-get")]
    assert verbs == ["install", "update", "install"]
    assert install(apt, "apt").returncode == 0
    verbs = [line.split()[1] for line in (apt / "log").read_text().splitlines() if line.startswith("apt-get")]
    assert verbs == ["install", "update", "install", "install"]


def test_apt_that_installs_nothing_is_told(apt: Path) -> None:
    program(apt, "apt-get", "#!/bin/sh\necho 'E: no such luck' >&2\nexit 100\n")
    done = install(apt, "apt")
    assert done.returncode != 0
    assert "E: no such luck" in done.stderr


def test_a_folder_of_packages_is_a_repository_of_its_own(apt: Path) -> None:
    debs = apt / "debs"
    debs.mkdir()
    for name in ("docker.io_2_all.deb", "perl_1%3a1_all.deb"):
        (debs / name).write_text(name)
    program(apt, "dpkg-deb", '#!/bin/sh\nn=${2%%_*}\nprintf "Package: $n\\nVersion: 2\\n"\n')
    done = install(apt, "debs", str(debs))
    assert done.returncode == 0, done.stderr
    first, last = (debs / "Packages").read_text().strip().split("\n\n")
    assert first.splitlines()[:4] == ["Package: docker.io", "Version: 2", "Filename: ./docker.io_2_all.deb", "Size: 19"]
    assert f"SHA256: {hashlib.sha256(b'perl_1%3a1_all.deb').hexdigest()}" in last
    lines = [line for line in (apt / "log").read_text().splitlines() if line.startswith("apt-get")]
    assert all(f"Dir::Etc::SourceList={debs}/sources.list" in line for line in lines), "the node's own are not asked"


def _answer_twice(listener: socket.socket, body: str) -> None:
    connection, _ = listener.accept()
    with connection:
        for _ in range(2):
            got = b""
            while b"\r\n\r\n" not in got:
                got += connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())
        connection.recv(1)
