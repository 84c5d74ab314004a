"""The same stores for images as graped's own tests have."""

from tests.netboot.images.conftest import disk, root_tools

__all__ = ("disk", "root_tools")
