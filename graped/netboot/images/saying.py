"""Have nodes tell the master what their kernel and services say (``grapecli node log``). Pure: a tree in, edits out.

Nothing here is of one node: where to is in the command line of its kernel, and without it the unit does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graped.netboot.images.edits import Edit, Link, Write
from graped.netboot.images.parts import part
from graped.netboot.images.tree import Tree

PROGRAM: Final = "usr/lib/grape/console"
UNIT: Final = "etc/systemd/system/grape-console.service"
WANTED_BY: Final = "etc/systemd/system/sysinit.target.wants/grape-console.service"
SYSTEMD: Final = ("usr/lib/systemd/systemd", "lib/systemd/systemd")

# Early, and to the very end: nothing stops it at a shutdown but the end itself. What it writes is not sent: no echo.
CONTENT: Final = f"""\
# Made by Grape: says to the master what the kernel and the services say, where netboot.console says so.
[Unit]
Description=What this node says, sent to the master of the cluster
ConditionKernelCommandLine=grape.console
ConditionFileIsExecutable=/bin/bash
DefaultDependencies=no
IgnoreOnIsolate=yes
After=systemd-journald.socket

[Service]
ExecStart=/bin/bash /{PROGRAM}
Restart=on-failure
RestartSec=5
StandardOutput=null
StandardError=null
Nice=5
"""


def console(tree: Tree) -> Iterator[Edit]:
    """Put in the program and its unit, where there is a systemd."""
    if not any(tree.exists(program) for program in SYSTEMD):
        return
    yield Write(path=PROGRAM, content=part("console.sh"), mode=0o755)
    yield Write(path=UNIT, content=CONTENT.encode())
    yield Link(path=WANTED_BY, target=f"/{UNIT}")
