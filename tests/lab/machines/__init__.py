"""Machines of the lab: a real systemd in a container, a real kernel as a process, a whole PC by emulation.

Each has a console that is kept, is switched on by ``power_on`` and loses its power by ``power_cut`` (SIGKILL).
"""

from tests.lab.machines.bare_machine import BareMachine
from tests.lab.machines.console import Console
from tests.lab.machines.nspawn import Nspawn
from tests.lab.machines.pi import Pi
from tests.lab.machines.qemu import Qemu
from tests.lab.machines.uml import Uml

__all__ = ["BareMachine", "Console", "Nspawn", "Pi", "Qemu", "Uml"]
