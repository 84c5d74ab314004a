"""Have this machine's own small programs work in a tree of another processor while it is made: emulated is slow."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

from master_setup.image.foreign import machine_arch

_SCRIPT: Final = Path(__file__).parent.parent / "files/image/native-tools"
_NEEDED: Final = ("/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/etc/debian_version")
# Hooks of mmdebstrap, in a mount namespace of their own.
EARLY, PUT, INITRD, TAKE = (
    f'sh {shlex.quote(str(_SCRIPT))} {verb} "$1"' for verb in ("early", "put", "initrd", "take")
)


def helps(arch: str) -> bool:
    """Whether programs for ``arch`` are emulated here, and ours are a Debian's of 64 bits, as the hook knows them."""
    ours = os.uname().machine == "x86_64" and all(os.path.exists(path) for path in _NEEDED)
    return ours and arch not in (machine_arch(), "i386")


def env() -> dict[str, str]:
    """Give mmdebstrap's environment: our programs come first; kernels leave their initrd to INITRD, pip compiling."""
    path = f"/usr/lib/grape-native:{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "INITRD": "No", "PIP_NO_COMPILE": "1"}
