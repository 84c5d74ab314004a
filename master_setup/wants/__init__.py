"""What can be wanted of a machine. A new kind: a frozen dataclass with ``@kind``; see ``base``."""

from master_setup.wants.accounts import Group, Member, User
from master_setup.wants.base import Difference, Kept, Want, kind
from master_setup.wants.blocks import Block
from master_setup.wants.command import Command
from master_setup.wants.files import File, Folder, Link
from master_setup.wants.packages import Packages
from master_setup.wants.produced import Produced
from master_setup.wants.units import Unit
from master_setup.wants.venv import Current, Venv

__all__ = [
    "Block",
    "Command",
    "Current",
    "Difference",
    "File",
    "Folder",
    "Group",
    "Kept",
    "Link",
    "Member",
    "Packages",
    "Produced",
    "Unit",
    "User",
    "Venv",
    "Want",
    "kind",
]
