"""The boot ROM of a Raspberry Pi as a test tool: DHCP and TFTP as each model does them, byte by byte.

``boards`` says how models differ, ``dhcp``, ``tftp`` and ``files`` are state machines without input or output,
``phases``, ``client`` and ``loop`` move their packets through the lab, many boards in one thread.
"""

from tests.lab.bootrom.boards import Board, Rom
from tests.lab.bootrom.client import BootRom
from tests.lab.bootrom.faults import Faults
from tests.lab.bootrom.loop import Loop, boot_all
from tests.lab.bootrom.result import Booted, File

__all__ = ["Board", "BootRom", "Booted", "Faults", "File", "Loop", "Rom", "boot_all"]
