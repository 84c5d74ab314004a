"""The kernel's own i2c-stub for the guests' kernel, with two words changed and each transaction told: built once.

The real i2c-stub goes on to the next register with every *receive byte*, and has the same chips for good. A power port
answers the same byte until another one is written, and a stack can be pulled out. Its debug messages are compiled in:
so the kernel's log is a trace of the wire.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab.cache import cached, key_of
from tests.lab.kernel.build import SOURCE, WIDER, kernel, replace, run

DRIVER = Path("drivers/i2c/i2c-stub.c")
CHANGES = (
    ("stub_get_wordp(chip, chip->pointer++)", "stub_get_wordp(chip, chip->pointer)"),
    ("module_param_array(chip_addr, ushort, NULL, S_IRUGO)", "module_param_array(chip_addr, ushort, NULL, 0644)"),
)
MAKEFILE = "obj-m := i2c-stub.o\nccflags-y := -DDEBUG\n"


def i2c_stub() -> Path:
    """Give the module for :func:`tests.lab.kernel.build.kernel`; build it where needed (a minute)."""
    base = kernel()
    return cached("stub", key_of(base.name, repr(CHANGES), MAKEFILE), lambda into: _build(into, base)) / "i2c-stub.ko"


def _build(into: Path, base: Path) -> None:
    tree, own = into / "source", into / "own"
    tree.mkdir()
    own.mkdir()
    run("tar", "--extract", "--file", SOURCE, "--directory", tree, "--strip-components=1")
    replace(tree, *WIDER)
    for old, new in CHANGES:
        replace(tree, DRIVER, old, new)
    shutil.copy(base / "config", tree / ".config")
    make = ("nice", "-n", "10", "make", "--directory", tree, "ARCH=um")
    run(*make, "modules_prepare")
    shutil.copy(tree / DRIVER, own)
    (own / "Makefile").write_text(MAKEFILE)
    run(*make, f"M={own}", "KBUILD_MODPOST_WARN=1", "modules")  # the kernel's own symbols are not known here
    run("strip", "--strip-debug", "--output-file", into / DRIVER.with_suffix(".ko").name, own / "i2c-stub.ko")
    for folder in (tree, own):
        shutil.rmtree(folder)
