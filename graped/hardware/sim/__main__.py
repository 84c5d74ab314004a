"""``python -m graped.hardware.sim --state-dir DIR``: start the simulated rack of a state directory."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from graped.hardware.sim.process import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m graped.hardware.sim", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    sys.exit(main(parser.parse_args().state_dir.resolve()))
