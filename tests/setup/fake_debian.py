"""A replica of a Debian in a folder, and a runner whose programs behave on it: a little dpkg, accounts, systemctl, pip.

All state is in files of the replica, so that a run that was killed leaves what it had done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from graped.errors import CommandFailed
from graped.runner import Output
from master_setup.machine import Machine

# What a package brings besides its files: what it depends on, accounts that its removal leaves, files of its scripts.
DEPENDS = {"python3-venv": ["python3", "python3-pip-whl"], "rpcbind": ["libwrap0", "libtirpc3"], "chrony": ["tzdata"]}
ACCOUNTS = {"rpcbind": "_rpc", "dnsmasq-base": "dnsmasq"}
SCRIPTS = {
    "rpcbind": ["/etc/rc3.d/S01rpcbind", "/var/lib/rpcbind/state"],
    "dnsmasq-base": ["/var/lib/misc/dnsmasq.note"],
}
# A program of a shell script that asks FakeDebian and does what it says.
SHIM = """#!/bin/sh
printf '%s\\0' "${{0##*/}}" "$@" >{asked}
{{ read -r code; cat; }} <{said}
exit "$code"
"""
UNIT = re.compile(r"^WantedBy=(\S+)$", re.MULTILINE)


class FakeDebian:
    """Programs of a machine, by name. Whatever is not expected is an error of the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self.broken: dict[str, str] = {}  # a program's name -> what it says when it fails
        self.busy = 0  # so often dpkg's lock is somebody else's

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        self.calls.append(argv)
        name = Path(argv[0]).name.replace("-", "_")
        if Path(argv[0]).name in self.broken:
            raise CommandFailed(f"{argv[0]} ended with code 1: {self.broken[Path(argv[0]).name]}", exit_code=1)
        program: Callable[..., tuple[int, str]] = getattr(self, f"do_{name}")
        code, said = program(*argv[1:])
        if code not in expect:
            raise CommandFailed(f"{argv[0]} ended with code {code}: {said}", exit_code=code)
        return Output(code=code, stdout=said)

    # --- dpkg and apt ---------------------------------------------------------------------------------

    def do_dpkg(self, *words: str) -> tuple[int, str]:
        match words:
            case ("--print-architecture",):
                return 0, "amd64\n"
            case ("--configure", "--pending"):
                self.busy -= 1
                return (2, "dpkg frontend lock was locked by another process") if self.busy >= 0 else (0, "")
        raise AssertionError(words)

    def do_dpkg_query(self, *words: str) -> tuple[int, str]:
        form = next(word for word in words if word.startswith("--showformat=")).removeprefix("--showformat=")
        asked = [word for word in words if not word.startswith("--")]
        known = self._packages()
        lines = []
        for name in asked or sorted(known):
            if name in known:
                line = form.replace("${binary:Package}", name).replace("${Package}", name)
                line = line.replace("${db:Status-Status}", known[name]).replace("${Version}", "1")
                lines.append(line.replace("\\n", "\n").replace("\\t", "\t"))
        return int(any(name not in known for name in asked)), "".join(lines)

    def do_apt_mark(self, *words: str) -> tuple[int, str]:
        assert words == ("showmanual",)
        return 0, "".join(f"{name}\n" for name in self._state("manual", []))

    def do_apt_get(self, *words: str) -> tuple[int, str]:
        plain = [word for at, word in enumerate(words) if not word.startswith("-") and words[at - 1] != "-o"]
        verb, names = plain[0], plain[1:]
        if verb == "update":
            return 0, ""
        if verb == "install":
            self._save("manual", sorted({*self._state("manual", []), *names}))
            self.install(names)
            return 0, ""
        assert verb == "purge"
        if "--simulate" in words:
            return 0, "".join(f"Purg {name} [1]\n" for name in self._needing(names))
        for name in self._needing(names):
            self._purge(name)
        return 0, ""

    def install(self, names: Iterable[str]) -> None:
        """Install packages with what they depend on."""
        for name in names:
            if self._packages().get(name) == "installed":
                continue
            self.install(DEPENDS.get(name, []))
            self._save("packages", {**self._packages(), name: "half-installed"})
            files = [f"/usr/share/doc/{name}/copyright", f"/usr/lib/{name}/program"]
            for path in files:
                self._write(path, f"{name}\n")
            folders = {str(parent) for path in files for parent in Path(path).parents}
            listed = sorted({*files, *folders})
            self._write(f"/var/lib/dpkg/info/{name}.list", "".join(f"{path}\n" for path in listed))
            for path in SCRIPTS.get(name, []):
                self._write(path, "made by a script\n")
            if name in ACCOUNTS and not self._has("passwd", ACCOUNTS[name]):
                self.do_groupadd("--system", ACCOUNTS[name])
                self.do_useradd("--gid", ACCOUNTS[name], ACCOUNTS[name])
            self._save("packages", {**self._packages(), name: "installed"})

    def _needing(self, names: Iterable[str]) -> list[str]:
        gone = set(names)
        there = self._packages()
        while more := {name for name in there if name not in gone and gone & set(DEPENDS.get(name, []))}:
            gone |= more
        return sorted(gone & there.keys())

    def _purge(self, name: str) -> None:
        for path in (f"/usr/share/doc/{name}", f"/usr/lib/{name}", f"/var/lib/dpkg/info/{name}.list"):
            where = self.path(path)
            shutil.rmtree(where) if where.is_dir() else where.unlink(missing_ok=True)
        self._save("packages", {each: state for each, state in self._packages().items() if each != name})
        self._save("manual", [each for each in self._state("manual", []) if each != name])

    def _packages(self) -> dict[str, str]:
        return self._state("packages", {})

    # --- accounts -------------------------------------------------------------------------------------

    def do_groupadd(self, *words: str) -> tuple[int, str]:
        if self._has("group", words[-1]):
            return 9, "group exists"
        self._append("group", f"{words[-1]}:x:{self._free('group')}:")
        return 0, ""

    def do_useradd(self, *words: str) -> tuple[int, str]:
        if self._has("passwd", words[-1]):
            return 9, "user exists"
        group = words[words.index("--gid") + 1]
        gid = next(line.split(":")[2] for line in self._lines("group") if line.startswith(f"{group}:"))
        self._append("passwd", f"{words[-1]}:x:{self._free('passwd')}:{gid}::/:/usr/sbin/nologin")
        return 0, ""

    def do_userdel(self, name: str) -> tuple[int, str]:
        if not self._has("passwd", name):
            return 6, "no such user"
        self._drop("passwd", name)
        self._drop("group", name)  # the group of the same name goes with its user, as USERGROUPS_ENAB has it
        return 0, ""

    def do_groupdel(self, name: str) -> tuple[int, str]:
        if not self._has("group", name):
            return 6, "no such group"
        self._drop("group", name)
        return 0, ""

    def do_getent(self, file: str, name: str) -> tuple[int, str]:
        return (0, name) if self._has(file, name) else (2, "")

    def do_gpasswd(self, verb: str, user: str, group: str) -> tuple[int, str]:
        if not self._has("passwd", user):
            return 1, f"user '{user}' does not exist"
        lines = []
        for line in self._lines("group"):
            head, _, members = line.rpartition(":")
            names = list(filter(None, members.split(",")))
            if line.startswith(f"{group}:"):
                names = [each for each in names if each != user] + ([user] if verb == "--add" else [])
            lines.append(f"{head}:{','.join(names)}")
        self._put("group", lines)
        return 0, ""

    def _lines(self, file: str) -> list[str]:
        return self.path(f"/etc/{file}").read_text().splitlines()

    def _has(self, file: str, name: str) -> bool:
        return any(line.startswith(f"{name}:") for line in self._lines(file))

    def _free(self, file: str) -> int:
        taken = {int(line.split(":")[2]) for line in self._lines(file)}
        return next(number for number in range(100, 1000) if number not in taken)

    def _append(self, file: str, line: str) -> None:
        self._put(file, [*self._lines(file), line])

    def _drop(self, file: str, name: str) -> None:
        self._put(file, [line for line in self._lines(file) if not line.startswith(f"{name}:")])

    def _put(self, file: str, lines: list[str]) -> None:
        path = self.path(f"/etc/{file}")
        temporary = path.with_name(f"{file}+")
        temporary.write_text("".join(f"{line}\n" for line in lines))
        temporary.rename(path)

    # --- systemd --------------------------------------------------------------------------------------

    def do_systemctl(self, verb: str, *names: str) -> tuple[int, str]:
        if verb == "daemon-reload":
            return 0, ""
        name = names[-1]
        if "*" in name:
            return 0, ""
        if verb == "is-enabled":
            word = self._enabled(name)
            return int(word != "enabled"), f"{word}\n"
        active = self._state("active", [])
        if verb == "is-active":
            return (0, "active\n") if name in active else (3, "inactive\n")
        if verb == "show":
            return 0, "0\n"
        if self._enabled(name) == "not-found":
            return 5, f"Unit {name} not found"
        if verb in ("start", "restart", "stop"):
            self._save("active", sorted({*active, name} if verb != "stop" else {*active} - {name}))
            return 0, ""
        unit = self.path(f"/etc/systemd/system/{name}")
        if verb == "enable":
            link = self.path(f"/etc/systemd/system/{UNIT.findall(unit.read_text())[0]}.wants/{name}")
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(f"/etc/systemd/system/{name}")
        else:
            assert verb == "disable", verb
            for folder in unit.parent.glob("*.wants"):
                (folder / name).unlink(missing_ok=True)
        return 0, ""

    def _enabled(self, name: str) -> str:
        folder = self.path("/etc/systemd/system")
        if not (folder / name).exists():
            return "not-found"
        return "enabled" if any(os.path.lexists(each / name) for each in folder.glob("*.wants")) else "disabled"

    # --- Python, and what is installed by it ----------------------------------------------------------

    def do_python3(self, *words: str) -> tuple[int, str]:
        if words[0] == "-c":
            return 0, "3.11\n"
        assert words[:2] == ("-m", "venv")
        (self.path(words[2]) / "bin").mkdir(parents=True)
        (self.path(words[2]) / "bin/python").write_text("python\n")
        return 0, ""

    def do_python(self, *words: str) -> tuple[int, str]:
        assert words[:3] == ("-m", "pip", "install")
        venv = self.path(self.calls[-1][0]).parent
        for name in ("graped", "grapecli", "grape_docker", "grape-setup"):
            (venv / name).write_text(f"{name}\n")
        return 0, ""

    def do_grapecli(self, *words: str) -> tuple[int, str]:
        assert words[0] == "completion"
        return 0, f"complete {words[1]}\n"

    def do_grape_docker(self, *words: str) -> tuple[int, str]:
        return self.do_grapecli(*words)

    def do_graped(self, *words: str) -> tuple[int, str]:
        assert words == ("--check-config", "/etc/grape/config.toml")
        wrong = "nonsense" in self.path(words[1]).read_text()
        return (2, "config.toml: nonsense: no such key\n") if wrong else (0, "")

    # --- the script at the end ------------------------------------------------------------------------

    def do_sh(self, script: str) -> tuple[int, str]:
        """Run a script by the real sh, in the replica, with programs that come back to this class."""
        text = Path(script).read_text()
        text = re.sub(r"(?<![\w/.])/(etc|opt|srv|usr/local|run|var)\b", f"{self.root}/\\1", text)
        text = "\n".join(line for line in text.splitlines() if not line.startswith("export PATH"))
        shims = self.root.parent / "shims"
        shims.mkdir(exist_ok=True)
        asked, said = shims / ".asked", shims / ".said"
        for name in ("apt-get", "dpkg-query", "userdel", "groupdel", "getent", "systemctl"):
            shim = shims / name
            shim.write_text(SHIM.format(asked=asked, said=said))
            shim.chmod(0o755)
        for fifo in (asked, said):
            if not fifo.exists():
                os.mkfifo(fifo)
        answering = threading.Thread(target=self._answer, args=(asked, said))
        answering.start()
        try:
            env = {"PATH": f"{shims}:/usr/bin:/bin"}
            done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, timeout=60, check=False)
        finally:
            asked.write_text("")
            answering.join()
        return done.returncode, done.stdout + done.stderr

    def _answer(self, asked: Path, said: Path) -> None:
        """Answer the programs that a script calls, until somebody asks for nothing."""
        while words := asked.read_text().split("\0")[:-1]:
            code, text = getattr(self, f"do_{words[0].replace('-', '_')}")(*words[1:])
            said.write_text(f"{code}\n{text}")

    # --- the replica ----------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def _write(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def _state(self, name: str, default: object) -> object:  # type: ignore[override]
        path = self.path(f"/var/lib/dpkg/fake/{name}.json")
        return json.loads(path.read_text()) if path.exists() else default

    def _save(self, name: str, value: object) -> None:
        path = self.path(f"/var/lib/dpkg/fake/{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(value))
        temporary.rename(path)


def debian(root: Path) -> FakeDebian:
    """Make a replica of a fresh machine."""
    for folder in (
        "etc/systemd/system",
        "usr/local/bin",
        "opt",
        "var/lib/dpkg/info",
        "var/lib/misc",
        "run/systemd/system",
    ):
        (root / folder).mkdir(parents=True)
    (root / "usr/lib").mkdir()
    (root / "usr/share/doc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\nann:x:1000:\n")
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    return FakeDebian(root)


def machine(fake: FakeDebian) -> Machine:
    return Machine(root=fake.root, runner=fake)


def tree(root: Path, *, times: bool = False) -> dict[str, tuple[object, ...]]:
    """Take all paths but dpkg's own and what is gone after a boot."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in (root / "var/lib/dpkg", root / "run")]
        for name in (*folders, *files):
            path = here / name
            status = path.lstat()
            content: object = None
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                told = times and path.name not in ("passwd", "group")  # useradd and userdel write them anew
                content = (path.read_bytes(), status.st_mtime_ns if told else 0)
            found["/" + str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found
