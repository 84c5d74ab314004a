"""The program ``grape-image``: build images of masters and of nodes."""

from __future__ import annotations

import sys

from master_setup.image.cli import main

if __name__ == "__main__":
    sys.exit(main())
