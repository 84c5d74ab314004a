"""What graped's files say, as far as the set-up needs it. graped itself judges them: ``graped --check-config``."""

from __future__ import annotations

import contextlib
import tomllib
from typing import Any, Final

from master_setup.machine import Machine

FILE: Final = "/etc/grape/config.toml"
DROP_INS: Final = "/etc/grape/config.d"


def value(machine: Machine, table: str, key: str, default: Any) -> Any:
    """Return what the last file that has the key says; files that cannot be read are passed over."""
    found = default
    drop_ins = [f"{DROP_INS}/{name}" for name in machine.names(DROP_INS) if name.endswith(".toml")]
    for path in (FILE, *drop_ins):
        with contextlib.suppress(tomllib.TOMLDecodeError, AttributeError):
            found = tomllib.loads(machine.text(path)).get(table, {}).get(key, found)
    return found
