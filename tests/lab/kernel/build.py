"""Build the User-Mode Linux kernel from the distribution's source package: about four minutes, once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.cache import ALONE, cached, key_of

SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")  # of Debian's package linux-source-6.1
FRAGMENT = Path(__file__).with_name("fragment.config")
BUILD_S = 3000.0
# 6.1 keeps 2696 bytes for what a processor saves of its registers; one with AMX saves 11008, and ptrace then refuses
# (EFAULT at the first user process). They lie on the kernel's stacks, which the fragment makes larger for that.
WIDER = (Path("arch/x86/um/user-offsets.c"), "DEFINE_LONGS(HOST_FP_SIZE, 2696);", "DEFINE_LONGS(HOST_FP_SIZE, 12288);")


def kernel() -> Path:
    """Give the folder with ``linux`` (the kernel, a program), ``modules/`` and ``config``; build it where needed."""
    version = run("dpkg-query", "--show", "--showformat=${Version}", "linux-source-6.1")
    return cached("uml", key_of(version, FRAGMENT.read_bytes(), *map(str, WIDER)), _build)


def missing(config: str, fragment: str) -> list[str]:
    """Tell which lines of the fragment a kernel configuration does not fulfil."""
    have = set(config.splitlines())
    wanted = [line for line in fragment.splitlines() if line.startswith(("CONFIG_", "# CONFIG_"))]
    return [line for line in wanted if line not in have and not _left_out(line, config)]


def _left_out(line: str, config: str) -> bool:
    """Whether a "not set" is fulfilled because the option does not exist at all."""
    return line.startswith("# ") and f"{line.split()[1]}=" not in config


def _build(into: Path) -> None:
    tree = into / "source"
    tree.mkdir()
    run("tar", "--extract", "--file", SOURCE, "--directory", tree, "--strip-components=1")
    replace(tree, *WIDER)
    jobs = f"--jobs={os.cpu_count()}"
    make: list[str | Path] = [*ALONE, "nice", "-n", "10", "make", "--directory", tree, "ARCH=um", jobs]
    run(*make, "x86_64_defconfig")
    run("scripts/kconfig/merge_config.sh", "-m", ".config", FRAGMENT, cwd=tree, ARCH="um")
    run(*make, "olddefconfig")
    if lost := missing((tree / ".config").read_text(), FRAGMENT.read_text()):
        raise RuntimeError(f"this source cannot give: {', '.join(lost)}")
    run(*make, "linux", "modules")
    run(*make, "modules_install", f"INSTALL_MOD_PATH={into}/installed", "INSTALL_MOD_STRIP=1")
    _keep(tree, into)


def replace(tree: Path, file: Path, old: str, new: str) -> None:
    text = (tree / file).read_text()
    if text.count(old) != 1:
        raise RuntimeError(f"{file} of this source is not as expected: {old} is not there once")
    (tree / file).write_text(text.replace(old, new))


def _keep(tree: Path, into: Path) -> None:
    """Keep what guests need, and drop the gigabytes."""
    run("strip", "--output-file", into / "linux", tree / "linux")
    shutil.copy(tree / ".config", into / "config")
    (release,) = (into / "installed/lib/modules").iterdir()
    for link in ("build", "source"):
        (release / link).unlink(missing_ok=True)
    (into / "modules").mkdir()
    release.rename(into / "modules" / release.name)
    shutil.rmtree(into / "installed")
    shutil.rmtree(tree)


def run(*words: str | Path, cwd: Path | None = None, **env: str) -> str:
    """Run a step of the build; its last lines are told where it fails."""
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, "LC_ALL": "C", **env}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=BUILD_S,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    print(kernel())
